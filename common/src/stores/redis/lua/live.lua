-- Shows that a worker lives, and the fleets of queues; name and fleet of each stand in ARGV, from one place on and so far apart.
local function live(worker, from, step)
  local beats, fleets, queues = { now, worker }, {}, {}
  for at = from, #ARGV, step do
    local fleet = ARGV[at + 1]
    beats[#beats + 1], beats[#beats + 2] = now, fleet
    fleets[#fleets + 1], queues[#queues + 1] = fleet, ARGV[at]
    known[fleet] = true
  end
  call('ZADD', HEARTBEATS, unpack(beats))
  call('ZADD', BEATS, now, worker)
  if #fleets == 0 then return end
  for i, registered in ipairs(call('HMGET', RUST, unpack(fleets))) do
    if not registered then call('HSET', RUST, fleets[i], '@' .. queues[i]) end
  end
end
