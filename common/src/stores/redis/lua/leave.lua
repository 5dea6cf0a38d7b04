-- Takes a worker off, unless it still holds something: claims without a heartbeat would be found by nobody.
-- ARGV: now, worker, queue*
-- Answers whether it is gone.
for at = 3, #ARGV do
  if call('SCARD', claims(ARGV[2], ARGV[at])) > 0 then return 0 end
end
call('ZREM', HEARTBEATS, ARGV[2])
call('HDEL', RUST, ARGV[2])
return 1
