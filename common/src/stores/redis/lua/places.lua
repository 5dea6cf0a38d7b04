-- How messages get into their places: the list, or what only Rust can order (held by priority, held until due), which the
-- fleet claims, so that Python leaves it alone while the fleet's heartbeat is fresh, and takes it over afterwards.

local MAX_PRIORITY = 4000

local known = {}
local function is_fresh(fleet)
  if known[fleet] == nil then
    local beat = tonumber(call('ZSCORE', HEARTBEATS, fleet))
    known[fleet] = beat ~= nil and math.abs(now - beat) <= FRESH
  end
  return known[fleet]
end

-- What a body says of itself, as far as the store needs it: when it is due (nothing readable: now), and its priority.
-- Decoded only, never encoded again: cjson loses integers beyond 2^53.
local function read(body)
  local due, priority = now, 0
  -- It will not be run, so it may come at once to where it dies; reading it would hold up the server.
  if #body > LARGEST then return due, priority end
  if not body:find('"eta"', 1, true) and not body:find('"priority"', 1, true) then return due, priority end
  local ok, message = pcall(cjson.decode, body)
  local options = ok and type(message) == 'table' and message.options
  if type(options) ~= 'table' then return due, priority end
  local eta, wish = options.eta, options.priority
  if type(eta) == 'number' and eta == eta then due = math.max(math.min(math.floor(eta), 2 ^ 53), -2 ^ 53) end
  if type(wish) == 'number' and wish == wish then
    priority = math.max(math.min(wish, MAX_PRIORITY), -MAX_PRIORITY)
    priority = priority < 0 and math.ceil(priority) or math.floor(priority)
  end
  return due, priority
end

-- The first of these ids whose bodies there is room for in one step; at least one. And whether that one is too large to be
-- run, and better not looked at.
local function fitting(hash, ids)
  local room, is_huge = ROOM, false
  for i, id in ipairs(ids) do
    local size = call('HSTRLEN', hash, id)
    room = room - size
    if room < 0 and i > 1 then return { unpack(ids, 1, i - 1) }, is_huge end
    is_huge = size > LARGEST
  end
  return ids, is_huge
end

-- The due index keeps the priority beside the id, so that a promotion needs no look into the body.
local function to_entry(id, priority)
  if priority == 0 and not id:find(' ', 1, true) then return id end
  return id .. ' ' .. priority
end

local function from_entry(entry)
  local id, priority = entry:match('^(.*) (%-?%d+)$')
  return id or entry, tonumber(priority) or 0
end

-- The score behind (side 1) or before (side -1) all others of one priority.
local function rank(batch, held, priority, side)
  local ranks = batch[held .. ' ranks'] or {}
  batch[held .. ' ranks'] = ranks
  local slot = 4 * priority + side
  if not ranks[slot] then
    local low, high = priority * BAND - BAND / 2, priority * BAND + BAND / 2 - 1
    local found
    if side > 0 then
      found = call('ZREVRANGEBYSCORE', held, high, low, 'WITHSCORES', 'LIMIT', 0, 1)
    else
      found = call('ZRANGEBYSCORE', held, low, high, 'WITHSCORES', 'LIMIT', 0, 1)
    end
    ranks[slot] = tonumber(found[2]) or priority * BAND
  end
  ranks[slot] = ranks[slot] + side
  return ranks[slot]
end

-- A batch collects the writes of many messages into one command a key (more where that would grow too long).
local function gather(batch, command, name, element, first, second)
  local of_key = batch[name]
  if not of_key then
    of_key = {}
    batch[name] = of_key
  end
  local entry = of_key[command]
  if not entry or #entry.elements >= CHUNK then
    entry = { command, name, elements = {}, length = 2 }
    of_key[command] = entry
    batch[#batch + 1] = entry
  end
  entry.elements[#entry.elements + 1] = element
  entry[entry.length + 1], entry[entry.length + 2] = first, second
  entry.length = entry.length + (second and 2 or 1)
end

local BACK = { HSET = 'HDEL', ZADD = 'ZREM', SADD = 'SREM' }
local POP = { RPUSH = 'RPOP', LPUSH = 'LPOP' }

-- Writes a batch in the order in which it was gathered: body, then index, then claim.
local function run(batch)
  for _, entry in ipairs(batch) do
    call(unpack(entry))
    if POP[entry[1]] then
      undo(POP[entry[1]], entry[2], #entry.elements)
    else
      undo(BACK[entry[1]], entry[2], unpack(entry.elements))
    end
  end
end

-- Ready, at the end of its priority, or (side -1) at the head of it. The body is there already.
local function make_ready(batch, queue, fleet, id, priority, side)
  if priority ~= 0 and is_fresh(fleet) then
    local held = key(queue .. '@held')
    gather(batch, 'ZADD', held, id, rank(batch, held, priority, side), id)
    gather(batch, 'SADD', claims(fleet, queue), id, id)
  elseif priority < 0 or side < 0 then
    gather(batch, 'LPUSH', key(queue), id, id)
  else
    gather(batch, 'RPUSH', key(queue), id, id)
  end
end

-- Whether a worker of Python may be alive: those of Rust are registered, and so are their fleets. A fleet that Python has taken over
-- stays registered, and hides one of them, until a beat misses it among the silent (peers.rs).
local mixed
local function is_mixed()
  if mixed == nil then mixed = call('ZCARD', HEARTBEATS) > call('HLEN', RUST) end
  return mixed
end

-- A new message: until it is due, or ready. What waits for a worker that knows its actor waits where Python's look: without an
-- eta, they run it at once, whenever they find it in the delay queue's list.
local function put(batch, queue, fleet, id, due, priority, body)
  if due <= now then
    gather(batch, 'HSET', bodies(queue), id, id, body)
    make_ready(batch, queue, fleet, id, priority, 1)
    return
  end
  local delayed = queue .. '.DQ'
  gather(batch, 'HSET', bodies(delayed), id, id, body)
  if is_fresh(fleet) and not (shared_until(id) and is_mixed()) then
    local entry = to_entry(id, priority)
    gather(batch, 'ZADD', key(queue .. '@due'), entry, due, entry)
    gather(batch, 'SADD', claims(fleet, delayed), id, id)
  else
    gather(batch, 'RPUSH', key(delayed), id, id)
  end
end

-- Dead, with the reason beside it; and noted, where no worker has made its end.
local function dead_letter(batch, queue, id, body, reason, is_unended)
  local dead = queue .. '.XQ'
  gather(batch, 'HSET', bodies(dead), id, id, body)
  gather(batch, 'HSET', key(dead .. '@why'), id, id, reason)
  gather(batch, 'ZADD', key(dead), id, now, id)
  if is_unended then gather(batch, 'SADD', key(queue .. '@unended'), id, id) end
end
