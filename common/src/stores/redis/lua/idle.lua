-- A beat of a worker that is idle in a large fleet and waits to be called: it lives. The others' beats do the rest.
-- ARGV: now, worker, interval, group, member, how many of the group listen, then the names of the worker's queues
-- Answers: now, whether there is nothing more to do, whether the member listens, how many heartbeats there are.
local worker, interval = ARGV[2], tonumber(ARGV[3])
local stamp = score(now)
-- One that is added was taken for dead.
local is_known = call('ZADD', HEARTBEATS, stamp, worker) == 0 and call('ZADD', BEATS, stamp, worker) == 0
local listens = share(ARGV[4], ARGV[5], tonumber(ARGV[6]))
-- Rust's workers are among them, but for those that Python took for dead.
local heartbeats = call('ZCARD', HEARTBEATS)
local is_quiet = is_known and call('ZCOUNT', HEARTBEATS, score(now - interval), score(now + interval)) == heartbeats
if is_quiet then
  local mine = {}
  for at = 7, #ARGV do mine[#mine + 1] = claims(worker, ARGV[at]) end
  is_quiet = call('EXISTS', unpack(mine)) == 0
end
return { stamp, is_quiet and 1 or 0, listens, heartbeats }
