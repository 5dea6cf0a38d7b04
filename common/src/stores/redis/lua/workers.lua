-- Reads a page of the workers.
-- ARGV: now, cursor
-- Answers: the next cursor, now, (worker, its last sign of life, its queues or '' for Python's)*; no fleets
local page = call('ZSCAN', HEARTBEATS, ARGV[2], 'COUNT', CHUNK)
local answer = { page[1], score(now) }
for i = 1, #page[2], 2 do
  local queues = call('HGET', RUST, page[2][i]) or ''
  if queues:sub(1, 1) ~= '@' then
    for _, part in ipairs({ page[2][i], page[2][i + 1], queues }) do answer[#answer + 1] = part end
  end
end
return answer
