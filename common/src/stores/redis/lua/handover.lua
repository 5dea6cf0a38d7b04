-- Hands over to dramatiq's lists what only Rust orders in some queues, as much as one call has time for; a fleet of which nothing
-- is left is taken off.
-- ARGV: now, when the last worker was taken off, then per queue: name, fleet
-- Answers: how many messages were handed over, how many queues are dealt with (from the front), refusals (queue, refusal)*.
-- Nothing happens to a queue for which a Rust worker has beaten since.
local left = tonumber(ARGV[2])
local moved, refusals = 0, {}
-- What is left of the time of this call, in messages.
local budget = CHUNK

-- Those that the fleet claims and that have a body, each once; the others are worth nothing.
local function claimed_of(name, theirs, ids)
  local found, seen = {}, {}
  for i, is_theirs in ipairs(call('SMISMEMBER', theirs, unpack(ids))) do
    local id = ids[i]
    if is_theirs == 1 and not seen[id] and call('HEXISTS', bodies(name), id) == 1 then
      seen[id] = true
      found[#found + 1] = id
    end
  end
  return found
end

-- Into the list first, then out of the index and of the claims: removals cannot be taken back, so they come last, and are shown
-- to be allowed before anything is written.
local function move(name, index, theirs, push, entries, ids)
  call('SREM', theirs, '')
  call('ZREM', index, '')
  local found, batch = claimed_of(name, theirs, ids), {}
  for _, id in ipairs(found) do gather(batch, push, key(name), id, id) end
  run(batch)
  if #entries > 0 then call('ZREM', index, unpack(entries)) end
  call('SREM', theirs, unpack(ids))
  moved = moved + #found
end

-- By their times. What the index has lost comes last.
local function hand_over_due(queue, fleet)
  local delayed, index = queue .. '.DQ', key(queue .. '@due')
  local theirs = claims(fleet, delayed)
  local entries = call('ZRANGE', index, 0, budget - 1)
  local ids = {}
  for i, entry in ipairs(entries) do ids[i] = from_entry(entry) end
  if #ids == 0 then ids = call('SRANDMEMBER', theirs, budget) end
  if #ids > 0 then move(delayed, index, theirs, 'RPUSH', entries, ids) end
  return #ids
end

-- What goes before priority 0 goes to the head, so its last one goes first; the others to the end.
local function hand_over_held(queue, fleet)
  local index, theirs, push = key(queue .. '@held'), claims(fleet, queue), 'LPUSH'
  local entries = call('ZREVRANGEBYSCORE', index, '(0', '-inf', 'LIMIT', 0, budget)
  if #entries == 0 then
    push, entries = 'RPUSH', call('ZRANGEBYSCORE', index, '-inf', '+inf', 'LIMIT', 0, budget)
  end
  local ids = entries
  if #ids == 0 then ids = call('SRANDMEMBER', theirs, budget) end
  if #ids > 0 then move(queue, index, theirs, push, entries, ids) end
  return #ids
end

-- Whether a queue is dealt with: nothing is left with its fleet, or it is not ours to hand over.
local function hand_over(queue, fleet)
  local beat = call('ZSCORE', HEARTBEATS, fleet)
  if beat and tonumber(beat) > left then return true end
  -- From now on it is stale for every sender, and for Python as well, should this be the last that anybody does for it.
  if beat then call('ZADD', HEARTBEATS, 1, fleet) end
  for _, step in ipairs({ hand_over_due, hand_over_held }) do
    repeat
      if budget <= 0 then return false end
      local ok, count = attempt(step, queue, fleet)
      if not ok then
        refusals[#refusals + 1], refusals[#refusals + 2] = queue, count
        return true
      end
      budget = budget - count
    until count == 0
  end
  call('ZREM', HEARTBEATS, fleet)
  call('HDEL', RUST, fleet)
  return true
end

call('ZREM', HEARTBEATS, '')
local done = 0
for at = 3, #ARGV, 2 do
  budget = budget - 1
  if not hand_over(ARGV[at], ARGV[at + 1]) then break end
  done = done + 1
end
return { moved, done, refusals }
