-- Shows that a worker lives, and that the fleets of queues do.
-- ARGV: now, worker, then per queue: name, fleet
-- Answers the time.
call('ZREM', HEARTBEATS, '')
live(ARGV[2], 3, 2)
return score(now)
