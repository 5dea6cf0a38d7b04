-- Reads the oldest dead letters of a queue.
-- ARGV: now, queue, how many
-- Answers: (id, time, body or '', reason or '')*
local dead = ARGV[2] .. '.XQ'
local found = call('ZRANGE', key(dead), 0, ARGV[3] - 1, 'WITHSCORES')
local answer = {}
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = call('HGET', bodies(dead), found[i]) or ''
  answer[#answer + 1] = call('HGET', key(dead .. '@why'), found[i]) or ''
end
return answer
