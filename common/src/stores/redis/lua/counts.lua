-- Counts a queue's messages by their place. What a Python worker keeps in its memory until its time counts as delayed.
-- ARGV: now, queue, fleet
-- Answers: ready, delayed, claimed, dead, whether nothing is fetched from it, whether it has bodies.
local queue, fleet = ARGV[2], ARGV[3]

-- Workers that are asked, at most: one of so many takes long, and what is there and not ready is claimed as good as always.
local MOST = 4000

-- How many of those that are there and not ready somebody has claimed: one whose id is lost is nobody's.
local function claimed_of(unready)
  local claimed, asked = 0, 0
  local function ask(worker)
    asked = asked + 1
    claimed = claimed + call('SCARD', claims(worker, queue))
    return claimed >= unready or asked == MOST
  end
  for _, worker in ipairs(call('ZRANGE', BEATS, 0, MOST - 1)) do
    if ask(worker) then return unready end
  end
  -- All others but the fleets, of which there may be many more.
  local all = call('ZRANGE', HEARTBEATS, 0, -1)
  for from = 1, #all, CHUNK do
    local ids = { unpack(all, from, math.min(from + CHUNK - 1, #all)) }
    local beats, others = call('ZMSCORE', BEATS, unpack(ids)), {}
    for i, id in ipairs(ids) do
      if not beats[i] then others[#others + 1] = id end
    end
    local queues = #others > 0 and call('HMGET', RUST, unpack(others)) or {}
    for i, worker in ipairs(others) do
      if (queues[i] or ''):sub(1, 1) ~= '@' and ask(worker) then return unready end
    end
  end
  return claimed
end

-- What is held by priority counts only where the fleet claims it: an entry of the index may outlive a take-over by Python.
local ready = call('LLEN', key(queue)) + call('SCARD', claims(fleet, queue))
-- Its key may be taken for something else.
local stored = redis.pcall('HLEN', bodies(queue))
if type(stored) == 'table' then stored = 0 end
return {
  ready,
  call('HLEN', bodies(queue .. '.DQ')),
  stored > ready and claimed_of(stored - ready) or 0,
  call('ZCARD', key(queue .. '.XQ')),
  call('SISMEMBER', PAUSED, queue),
  math.min(call('EXISTS', bodies(queue), bodies(queue .. '.DQ'), bodies(queue .. '.XQ')), 1),
}
