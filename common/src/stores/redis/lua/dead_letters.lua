-- Reads the oldest dead letters of a queue.
-- ARGV: now, queue, from which one on, how many at most; as many as there is room for, and at least one
-- Answers: (id, time, body or '', reason or '')*
local dead, room = ARGV[2] .. '.XQ', ROOM
local found = call('ZRANGE', key(dead), ARGV[3], ARGV[3] + ARGV[4] - 1, 'WITHSCORES')
local answer = {}
for i = 1, #found, 2 do
  room = room - call('HSTRLEN', bodies(dead), found[i])
  if room < 0 and i > 1 then break end
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = call('HGET', bodies(dead), found[i]) or ''
  answer[#answer + 1] = call('HGET', key(dead .. '@why'), found[i]) or ''
end
return answer
