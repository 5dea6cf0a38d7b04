-- Looks through a page of the workers for the one who has claimed a message.
-- ARGV: now, queue, fleet, which ('' or '.DQ'), name, cursor
-- Answers: the next cursor, the worker or '', whether the message is cancelled.
local queue, fleet, which, name = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local page = call('ZSCAN', HEARTBEATS, ARGV[6], 'COUNT', CHUNK)
for i = 1, #page[2], 2 do
  local worker = page[2][i]
  if worker ~= fleet and call('SISMEMBER', claims(worker, queue .. which), name) == 1 then
    return { '0', worker, call('HEXISTS', key(queue .. '@cancelled'), name) }
  end
end
return { page[1], '', 0 }
