-- Shows that a worker lives, and the fleets of queues; name and fleet of each stand in ARGV, from one place on and so far apart.
-- Answers whether the worker is registered.
local function live(worker, from, step)
  local stamp = score(now)
  local beats, members, queues = { stamp, worker }, { worker }, {}
  for at = from, #ARGV, step do
    local fleet = ARGV[at + 1]
    beats[#beats + 1], beats[#beats + 2] = stamp, fleet
    members[#members + 1], queues[#queues + 1] = fleet, ARGV[at]
  end
  call('ZADD', HEARTBEATS, unpack(beats))
  call('ZADD', BEATS, stamp, worker)
  local registered = call('HMGET', RUST, unpack(members))
  for i, queue in ipairs(queues) do
    if not registered[i + 1] then call('HSET', RUST, members[i + 1], '@' .. queue) end
  end
  return registered[1] ~= false
end
