-- Reads what one worker has claimed.
-- ARGV: now, worker, how many of each queue at most, queue*
-- Answers per queue: its ids.
local answer = {}
for at = 4, #ARGV do answer[#answer + 1] = call('SRANDMEMBER', claims(ARGV[2], ARGV[at]), ARGV[3]) end
return answer
