-- Stores messages, all of them or none.
-- ARGV: now, then per queue: name, fleet, how many plain ones, (id, body)*, how many others, (id, body, due, priority)*
-- Answers the time, then the places (from 1) of messages that are there already, negative where other bytes have their id; if
-- any, nothing was written.
local used = { now }
local place = 0

local function look(hash, ids, from, step)
  local found = call('HMGET', hash, unpack(ids))
  for i = 1, #ids do
    if found[i] then
      local same = is_same(found[i], ARGV[from + (i - 1) * step + 1])
      used[#used + 1] = same and place + i or -(place + i)
    end
  end
end

local function ids_from(from, count, step)
  local ids = {}
  for i = 1, count do ids[i] = ARGV[from + (i - 1) * step] end
  return ids
end

local sections = {}
local at = 2
while ARGV[at] do
  local queue, fleet = ARGV[at], ARGV[at + 1]
  local count, from = tonumber(ARGV[at + 2]), at + 3
  at = from + 2 * count
  if count > 0 then
    local ids = ids_from(from, count, 2)
    look(bodies(queue), ids, from, 2)
    -- A delayed one under the same id could not come due beside it.
    if call('EXISTS', bodies(queue .. '.DQ')) == 1 then look(bodies(queue .. '.DQ'), ids, from, 2) end
    sections[#sections + 1] = { queue, ids, from, at - 1 }
    place = place + count
  end

  count, from = tonumber(ARGV[at]), at + 1
  at = from + 4 * count
  if count > 0 then
    local ids = ids_from(from, count, 4)
    look(bodies(queue), ids, from, 4)
    -- It may have come due since it was sent first.
    look(bodies(queue .. '.DQ'), ids, from, 4)
    sections[#sections + 1] = { queue, false, from, at - 1, fleet }
    place = place + count
  end
end
if #used > 1 then return used end

local function store_plain(queue, ids, from, to)
  call('HSET', bodies(queue), unpack(ARGV, from, to))
  undo('HDEL', bodies(queue), unpack(ids))
  call('RPUSH', key(queue), unpack(ids))
  undo('RPOP', key(queue), #ids)
end

local function store_others(queue, fleet, from, to)
  local batch = {}
  for i = from, to, 4 do
    put(batch, queue, fleet, ARGV[i], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 1])
  end
  run(batch)
end

local function store()
  for _, section in ipairs(sections) do
    local queue, plain_ids, from, to, fleet = unpack(section)
    if plain_ids then store_plain(queue, plain_ids, from, to) else store_others(queue, fleet, from, to) end
  end
end

local ok, refusal = attempt(store)
if not ok then return { err = refusal } end
return used
