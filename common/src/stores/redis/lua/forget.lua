-- Removes the heartbeat of a Python worker of which no claims were found, if it has given no sign of life since.
-- ARGV: now, worker, the score that was seen
-- Answers whether it is gone.
if call('ZSCORE', HEARTBEATS, ARGV[2]) ~= ARGV[3] or call('HEXISTS', RUST, ARGV[2]) == 1 then return 0 end
return call('ZREM', HEARTBEATS, ARGV[2])
