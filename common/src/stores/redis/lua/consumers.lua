-- Reads a page of what Rust workers are registered for that have shown a sign of life of late; each list of queues once.
-- ARGV: now, how long ago at most, offset
-- Answers: how many were looked at, lists of queues*
local PAGE = 100
local workers = call('ZRANGEBYSCORE', BEATS, string.format('%.0f', now - ARGV[2]), '+inf', 'LIMIT', ARGV[3], PAGE)
local lists, seen = {}, {}
if #workers > 0 then
  for _, queues in ipairs(call('HMGET', RUST, unpack(workers))) do
    if queues and not seen[queues] then
      seen[queues] = true
      lists[#lists + 1] = queues
    end
  end
end
return { #workers, lists }
