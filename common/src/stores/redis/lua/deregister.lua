-- Takes a worker off, unless it still holds something: claims without a heartbeat would be found by nobody.
-- ARGV: now, worker, 'off', or '' where it has more queues than these, then queues
-- Answers the time where it holds nothing of these queues, and is gone where it was to be taken off; otherwise ''.
for at = 4, #ARGV do
  if call('SCARD', claims(ARGV[2], ARGV[at])) > 0 then return '' end
end
if ARGV[3] == 'off' then
  call('ZREM', HEARTBEATS, ARGV[2])
  call('ZREM', BEATS, ARGV[2])
  call('HDEL', RUST, ARGV[2])
  redis.pcall('UNLINK', last_start(ARGV[2]))
end
return score(now)
