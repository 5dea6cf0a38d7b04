-- A worker does not wait any more.
-- ARGV: now, group, member
return share(ARGV[2], ARGV[3])
