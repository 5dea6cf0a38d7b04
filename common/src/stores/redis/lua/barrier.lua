-- dramatiq's barrier: a counter of the parties that are still to come, which the last one finds at 1, and a list for those who wait.
-- ARGV: now, the barrier's key, `create`, `arrive` or `look`, time to live, parties. Creating answers 1, or 0 where there is one already;
-- the others how many are left, 0 where all are there, nothing where nothing is known of it, and -1 to the last one.
local name, command, ttl, parties = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local events = name .. '@events'

local function create()
  if not call('SET', name, parties, 'PX', ttl, 'NX') then return 0 end
  undo('DEL', name)
  call('DEL', events)
  return 1
end

local function look()
  if call('EXISTS', events) == 1 then return 0 end
  local left = counter(name)
  return left and (left < PARKED / 2 and left or 0)
end

local function arrive()
  local left = look()
  if not left or left == 0 then return left end
  local before = call('GET', name)
  if left > 1 then
    call('SET', name, score(left - 1), 'PX', ttl)
    return left - 1
  end
  local before_left = call('PTTL', name)
  call('SET', name, score(PARKED), 'PX', ttl)
  undo('SET', name, before, 'PX', math.max(before_left, 1))
  call('RPUSH', events, 'x')
  undo('DEL', events)
  call('PEXPIRE', events, ttl)
  return -1
end

local ok, answer = attempt(({ create = create, arrive = arrive, look = look })[command])
if not ok then error({ err = answer }) end
return answer
