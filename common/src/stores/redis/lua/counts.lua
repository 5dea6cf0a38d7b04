-- Counts a queue's messages by their place.
-- ARGV: now, queue, fleet
-- Answers: ready, delayed, claimed, dead.
local queue, fleet = ARGV[2], ARGV[3]
local claimed = 0
for _, worker in ipairs(call('ZRANGE', HEARTBEATS, 0, -1)) do
  if worker ~= fleet then claimed = claimed + call('SCARD', claims(worker, queue)) end
end
return {
  call('LLEN', key(queue)) + call('ZCARD', key(queue .. '@held')),
  call('HLEN', bodies(queue .. '.DQ')),
  claimed,
  call('ZCARD', key(queue .. '.XQ')),
}
