-- What is known of a group, looked at once a step.
local function look_at(groups, of)
  local name = of.counter
  local group = groups[name]
  if group then return group end
  local left = redis.pcall('GET', name)
  -- Something else lies there: nothing is known of it.
  if type(left) == 'table' then left = not left.err:find('WRONGTYPE', 1, true) and call('GET', name) end
  group = { name = name, ttl = of.ttl, before = left, left = tonumber(left), members = {} }
  if group.left then
    group.seen, group.failed = name .. ':seen', name .. ':failed'
    group.size = 8 * call('STRLEN', group.seen)
    group.has_failed = call('EXISTS', group.failed) == 1
  end
  groups[name] = group
  groups[#groups + 1] = group
  return group
end

-- Counts a member, at most once where it has a number. Answers whether the group is known, and whether this was the last one.
local function count(groups, member)
  local group = look_at(groups, member.group)
  if not group.left then return false, false end
  local has_failed, counts, number = member.ends ~= 'done', member.ends ~= 'failed', member.number
  if number and number < group.size then
    local known = group.members[number]
    if not known then
      known = { was_seen = call('GETBIT', group.seen, number), had_failed = 0 }
      if group.has_failed then known.had_failed = call('GETBIT', group.failed, number) end
      known.seen = known.was_seen
      group.members[number] = known
    end
    known.failed = has_failed and 1 or 0
    counts = counts and known.seen == 0
    if counts then known.seen = 1 end
  end
  if not counts or group.left >= PARKED / 2 then return true, false end
  if group.left > 1 then
    group.left = group.left - 1
    return true, false
  end
  group.left, group.is_complete = PARKED, true
  return true, true
end

local function set_bit(name, bit, old, new)
  if old == new then return end
  call('SETBIT', name, bit, new)
  undo('SETBIT', name, bit, old)
end

local function renew(name, ttl)
  local left = call('PTTL', name)
  if left < tonumber(ttl) then call('PEXPIRE', name, ttl) end
end

local function write_counts(groups)
  for _, group in ipairs(groups) do
    local name, ttl, has_seen, has_failed = group.name, group.ttl, false, false
    for number, known in pairs(group.members) do
      set_bit(group.seen, number, known.was_seen, known.seen)
      set_bit(group.failed, number, known.had_failed, known.failed)
      has_seen, has_failed = has_seen or known.was_seen ~= known.seen, has_failed or known.failed == 1
    end
    if has_seen then renew(group.seen, ttl) end
    if has_failed then renew(group.failed, ttl) end
    if group.left and score(group.left) ~= score(tonumber(group.before)) then
      local left = call('PTTL', name)
      call('SET', name, score(group.left), 'PX', string.format('%.0f', math.max(left, tonumber(ttl))))
      undo('SET', name, group.before, 'KEEPTTL')
    end
    if group.is_complete then
      -- For those of Python's who wait for it.
      call('RPUSH', name .. '@events', 'x')
      undo('RPOP', name .. '@events')
      call('PEXPIRE', name .. '@events', ttl)
    end
  end
end
