-- Cancels what lies under a name: where a worker has claimed it, it is marked; else it dies.
-- ARGV: now, queue, fleet, name, reason, seconds that a mark or note is kept, the worker who seems to hold it or ''
-- Answers where it was: 'ready', 'delayed', 'claimed', 'none' (nowhere), 'elsewhere' (some other worker holds it).
local queue, fleet, name, reason, remember, holder = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]
local crashes, cancelled = key(queue .. '@crashes'), key(queue .. '@cancelled')

local function mark(lying)
  if holder == '' or call('SISMEMBER', claims(holder, lying), name) == 0 then return false end
  -- A removal that removes nothing opens a full server: to stop a run may be what helps it.
  call('HDEL', cancelled, '')
  call('HSET', cancelled, name, reason)
  undo('HDEL', cancelled, name)
  call('EXPIRE', cancelled, remember)
  return true
end

-- What takes it out of its place, or nothing where it is not in one.
local function removals(lying, body)
  local theirs = claims(fleet, lying)
  if call('SISMEMBER', theirs, name) == 1 then
    local index, entry = key(queue .. '@held'), name
    if lying ~= queue then
      local _, priority = read(body)
      index, entry = key(queue .. '@due'), to_entry(name, priority)
    end
    call('ZREM', index, '')
    call('SREM', theirs, '')
    return { { 'ZREM', index, entry }, { 'SREM', theirs, name } }
  end
  -- To look through a list takes as long as the list is, which is a lot to ask for one message. So a list is looked through only
  -- when nobody is known to hold it.
  if call('LPOS', key(lying), name) then return { { 'LREM', key(lying), 0, name } } end
end

local function die(lying)
  local body = call('HGET', bodies(lying), name)
  local out = removals(lying, body)
  if not out then return false end
  -- Removals cannot be taken back, so they come last, and are shown to be allowed before anything is written; but for a list's,
  -- which takes too long for that, and is the first.
  call('HDEL', bodies(lying), '')
  local batch = {}
  dead_letter(batch, queue, free_letter(queue, name), body, reason, true)
  run(batch)
  call('EXPIRE', key(queue .. '@unended'), remember)
  for _, removal in ipairs(out) do call(unpack(removal)) end
  call('HDEL', bodies(lying), name)
  redis.pcall('HDEL', crashes, name)
  redis.pcall('HDEL', cancelled, name)
  return true
end

local function cancel()
  local is_any = false
  for _, place in ipairs({ { queue, 'ready' }, { queue .. '.DQ', 'delayed' } }) do
    local lying, was = unpack(place)
    if call('HEXISTS', bodies(lying), name) == 1 then
      is_any = true
      if mark(lying) then return 'claimed' end
      if die(lying) then return was end
    end
  end
  return is_any and 'elsewhere' or 'none'
end

local ok, answer = attempt(cancel)
return ok and answer or { err = answer }
