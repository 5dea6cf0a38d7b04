-- Stores messages, all of them or none.
-- ARGV: now, then per queue: name, fleet, how many plain ones, (id, body)*, how many others, (id, body, due, priority)*
-- Answers the places (from 1) of messages that are there already, negative where other bytes have their id; if any, nothing
-- was written.
local used = {}
local place = 0

local function look(hash, ids, from, step)
  if #ids == 0 then return end
  local found = call('HMGET', hash, unpack(ids))
  for i = 1, #ids do
    if found[i] then
      local same = found[i] == ARGV[from + (i - 1) * step + 1]
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
  local section = { queue = ARGV[at], fleet = ARGV[at + 1], plain = at + 3 }
  local count = tonumber(ARGV[at + 2])
  section.last_plain = section.plain + 2 * count - 1
  section.plain_ids = ids_from(section.plain, count, 2)
  look(bodies(section.queue), section.plain_ids, section.plain, 2)
  place = place + count

  section.others = section.last_plain + 2
  count = tonumber(ARGV[section.others - 1])
  section.last_other = section.others + 4 * count - 1
  local ids = ids_from(section.others, count, 4)
  look(bodies(section.queue), ids, section.others, 4)
  -- It may have come due since it was sent first.
  look(bodies(section.queue .. '.DQ'), ids, section.others, 4)
  place = place + count

  sections[#sections + 1] = section
  at = section.last_other + 1
end
if #used > 0 then return used end

local function store()
  for _, section in ipairs(sections) do
    local queue = section.queue
    if #section.plain_ids > 0 then
      call('HSET', bodies(queue), unpack(ARGV, section.plain, section.last_plain))
      undo('HDEL', bodies(queue), unpack(section.plain_ids))
      call('RPUSH', key(queue), unpack(section.plain_ids))
      undo('RPOP', key(queue), #section.plain_ids)
    end
    local batch = {}
    for i = section.others, section.last_other, 4 do
      put(batch, queue, section.fleet, ARGV[i], tonumber(ARGV[i + 2]), tonumber(ARGV[i + 3]), ARGV[i + 1])
    end
    run(batch)
  end
end

local ok, refusal = attempt(store)
if not ok then return { err = refusal } end
return {}
