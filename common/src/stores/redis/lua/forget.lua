-- Removes the heartbeats of Python's workers of which no claims were found, if they have given no sign of life since.
-- ARGV: now, then of each: worker, the score that was seen
-- Answers how many are gone.
local gone = 0
for at = 2, #ARGV, 2 do
  if call('ZSCORE', HEARTBEATS, ARGV[at]) == ARGV[at + 1] and call('HEXISTS', RUST, ARGV[at]) == 0 then
    gone = gone + call('ZREM', HEARTBEATS, ARGV[at])
  end
end
return gone
