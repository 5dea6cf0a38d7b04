-- Counts a queue's messages by their place. What a Python worker keeps in its memory until its time counts as delayed.
-- ARGV: now, queue, fleet
-- Answers: ready, delayed, claimed, dead, whether nothing is fetched from it.
local queue, fleet = ARGV[2], ARGV[3]
local claimed = 0
for _, worker in ipairs(call('ZRANGE', HEARTBEATS, 0, -1)) do
  if worker ~= fleet then claimed = claimed + call('SCARD', claims(worker, queue)) end
end
return {
  -- What is held by priority counts only where the fleet claims it: an entry of the index may outlive a take-over by Python.
  call('LLEN', key(queue)) + call('SCARD', claims(fleet, queue)),
  call('HLEN', bodies(queue .. '.DQ')),
  claimed,
  call('ZCARD', key(queue .. '.XQ')),
  call('SISMEMBER', PAUSED, queue),
}
