-- Lets nothing more be fetched from a queue, or lets it again.
-- ARGV: now, queue, 'pause' or 'resume'
-- Answers whether that is new.
-- A removal that removes nothing opens a full server: a pause may be what helps it.
call('SREM', PAUSED, '')
return call(ARGV[3] == 'pause' and 'SADD' or 'SREM', PAUSED, ARGV[2])
