-- What is kept of a message, or else where it is.
-- ARGV: now, queue, fleet, message id, how a body that has it says so or '', up to how many that go before it are counted, how the
--   key begins under which a worker tells of its runs, key*
-- Answers what is kept under the keys, in their order, nothing where nothing is; and its place, which is empty where it has none, else
--   '?', where that is not looked for: something is kept, or it takes more than one step; or a name, then
--   'ready', how many go before it or '' for too many · 'delayed', when it is due · 'dead', when it died, why or ''
--   'claimed', the worker, whether it is cancelled, what that worker tells
local queue, fleet, id, text, limit, told = ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]), ARGV[7]
local OPEN = { '?' }

local kept, is_kept = {}, false
for i = 8, #ARGV do
  kept[i - 7] = call('LINDEX', ARGV[i], 0)
  is_kept = is_kept or kept[i - 7]
end
if is_kept then return { kept, OPEN } end

-- Who has claimed a name; whether that is known, as no step asks more workers than these.
local function holder(lying, name)
  if call('ZCARD', HEARTBEATS) > CHUNK then return nil, false end
  for _, worker in ipairs(call('ZRANGE', HEARTBEATS, 0, -1)) do
    if worker ~= fleet and call('SISMEMBER', claims(worker, lying), name) == 1 then return worker, true end
  end
  return nil, true
end

-- What lies under a name: its place, if it has one; whether that is known.
local function at(which, name)
  local found = whereabouts(queue, fleet, which, name, limit)
  local place, first, second = found[3], found[4], found[5]
  if not place then return nil, true end
  if place ~= 'elsewhere' then return { name, place, first, second }, true end
  local worker, is_known = holder(queue .. which, name)
  if not is_known then return nil, false end
  if worker and which == '' then
    local is_cancelled = call('HEXISTS', key(queue .. '@cancelled'), name)
    return { name, 'claimed', worker, is_cancelled, call('LINDEX', told .. worker, 0) }, true
  end
  -- What Python claims from a delay queue it keeps in its memory until its time.
  if not worker and second == 0 then return nil, true end
  return { name, which == '' and 'ready' or 'delayed', first }, true
end

-- Whether a body is the message's. One that cannot be read is known by its name.
local function is_its(name, body)
  local start = name:sub(1, #id + 1)
  local is_named = name == id or start == id .. '#' or start == id .. '+'
  if not is_named and (text == '' or not body:find(text, 1, true)) then return false end
  if #body > LARGEST then return is_named end
  local ok, message = pcall(cjson.decode, body)
  if not ok or type(message) ~= 'table' then return is_named end
  return message.message_id == id
end

-- The names of the message in a hash of bodies; nothing where that is too large for one step.
local SAMPLE, room = 8, ROOM
local function names_in(which)
  local hash = bodies(queue .. which)
  local count, names = call('HLEN', hash), {}
  if count == 0 then return names end
  if count > CHUNK then return nil end
  local sample, size = call('HRANDFIELD', hash, SAMPLE), 0
  for _, name in ipairs(sample) do size = size + call('HSTRLEN', hash, name) end
  room = room - size * count / #sample
  if room < 0 then return nil end
  local all = call('HGETALL', hash)
  for i = 1, #all, 2 do
    if is_its(all[i], all[i + 1]) then names[#names + 1] = all[i] end
  end
  return names
end

local function place()
  -- Most lie under their id.
  for _, which in ipairs({ '.DQ', '' }) do
    local found, is_known = at(which, id)
    if found then return found end
    if not is_known then return OPEN end
  end
  -- What was retried lies under another name, which begins with its id; of Python's, only the body has it.
  local is_whole = text ~= ''
  for _, which in ipairs({ '.DQ', '' }) do
    local names = names_in(which)
    is_whole = is_whole and names ~= nil
    for _, name in ipairs(names or {}) do
      local found, is_known = at(which, name)
      if found then return found end
      is_whole = is_whole and is_known
    end
  end
  if not is_whole then return OPEN end
  local names, last = names_in('.XQ'), nil
  for _, name in ipairs(names or { id }) do
    local found = at('.XQ', name)
    if found and not (last and tonumber(last[3]) > tonumber(found[3])) then last = found end
  end
  return last or (names and {} or OPEN)
end

return { kept, place() }
