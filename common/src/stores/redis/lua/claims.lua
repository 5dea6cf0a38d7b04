-- Reads what one worker has claimed, so many at most.
-- ARGV: now, worker, how many, queue*
-- Answers per queue: its ids.
local answer, left = {}, tonumber(ARGV[3])
for at = 4, #ARGV do
  local ids = left > 0 and call('SRANDMEMBER', claims(ARGV[2], ARGV[at]), left) or {}
  left = left - #ids
  answer[#answer + 1] = ids
end
return answer
