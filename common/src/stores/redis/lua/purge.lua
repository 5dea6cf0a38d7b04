-- Deletes what waits in a queue, ready or delayed, and nothing that a worker holds.
-- ARGV: now, queue, fleet, how many at most
-- Answers how many bodies went, and whether there may be more.
local queue, fleet, left = ARGV[2], ARGV[3], tonumber(ARGV[4])
local purged = 0

local function drop(name, ids)
  if #ids == 0 then return end
  purged = purged + call('HDEL', bodies(name), unpack(ids))
  for _, notes in ipairs({ '@crashes', '@cancelled' }) do redis.pcall('HDEL', key(queue .. notes), unpack(ids)) end
  left = left - #ids
end

local function purge_list(name)
  local ids = left > 0 and call('LRANGE', key(name), 0, left - 1) or {}
  if #ids == 0 then return end
  call('LTRIM', key(name), #ids, -1)
  drop(name, ids)
end

-- What only Rust can order counts where the fleet claims it; an entry of the index may outlive a take-over by Python, and a claim
-- may have lost its entry.
local function purge_held(name, index)
  local theirs = claims(fleet, name)
  local entries = left > 0 and call('ZRANGE', index, 0, left - 1) or {}
  local ids = {}
  if #entries > 0 then
    local all = {}
    for i, entry in ipairs(entries) do all[i] = name == queue and entry or from_entry(entry) end
    for i, is in ipairs(call('SMISMEMBER', theirs, unpack(all))) do
      if is == 1 then ids[#ids + 1] = all[i] end
    end
  elseif left > 0 then
    ids = call('SRANDMEMBER', theirs, left)
  end
  if #entries > 0 then call('ZREM', index, unpack(entries)) end
  if #ids > 0 then call('SREM', theirs, unpack(ids)) end
  drop(name, ids)
end

-- Nothing of this can be taken back, so before anything goes, removals that remove nothing show that all of it is allowed.
for name, index in pairs({ [queue] = '@held', [queue .. '.DQ'] = '@due' }) do
  call('HDEL', bodies(name), '')
  call('SREM', claims(fleet, name), '')
  call('ZREM', key(queue .. index), '')
  call('LTRIM', key(name), 0, -1)
end

purge_held(queue, key(queue .. '@held'))
purge_list(queue)
purge_held(queue .. '.DQ', key(queue .. '@due'))
purge_list(queue .. '.DQ')
local held = call('SCARD', claims(fleet, queue)) + call('SCARD', claims(fleet, queue .. '.DQ'))
local listed = call('LLEN', key(queue)) + call('LLEN', key(queue .. '.DQ'))
return { purged, held + listed > 0 and 1 or 0 }
