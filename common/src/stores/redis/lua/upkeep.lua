-- What a beat does for the queues of a worker, where there is something to do in any.

-- How many messages may still be moved: the queues of one call share that, so that nobody waits long for the server. To take in what is
-- delayed means to read every body, which takes twice as long as any other move.
local room = CHUNK / 2
for at = FIRST, #ARGV, 4 do known[ARGV[at + 1]] = true end

-- What Python, or a sender without a fresh fleet, has put into the delay queue's list goes into the index. What lies there for
-- Python stays for its time, behind the others.
local function absorb(queue, fleet)
  local delayed = queue .. '.DQ'
  if room == 0 then
    if call('LLEN', key(delayed)) > 0 then more = 1 end
    return
  end
  local listed = call('LRANGE', key(delayed), 0, room - 1)
  if #listed == 0 then return end
  local wanted, places, stay = {}, {}, {}
  for at, id in ipairs(listed) do
    if (shared_until(id) or 0) > now then
      stay[at] = id
    else
      wanted[#wanted + 1], places[#places + 1] = id, at
    end
  end
  if #wanted == 0 and #listed < room then return end
  local ids, is_huge = {}, false
  if #wanted > 0 then ids, is_huge = fitting(bodies(delayed), wanted) end
  local last = #ids < #wanted and places[#ids] or #listed
  local found = (is_huge or #ids == 0) and { '' } or call('HMGET', bodies(delayed), unpack(ids))
  local batch = {}
  for i, id in ipairs(ids) do
    if found[i] then
      local due, priority = read(found[i])
      local entry = to_entry(id, priority)
      gather(batch, 'ZADD', key(queue .. '@due'), entry, due, entry)
      gather(batch, 'SADD', claims(fleet, delayed), id, id)
    end
  end
  for at = 1, last do
    if stay[at] then gather(batch, 'RPUSH', key(delayed), stay[at], stay[at]) end
  end
  run(batch)
  call('LTRIM', key(delayed), last, -1)
  if #ids < #wanted or (#ids > 0 and #listed == room) then more = 1 end
  room = room - #ids
end

-- The time of the first entry of a due index, or nil.
local function first_due(index) return call('ZRANGE', index, 0, 0, 'WITHSCORES')[2] end

-- What lay there for Python names the delay queue, where Python would acknowledge it.
local function as_ready(queue, id, body)
  local head = '{"queue_name":"' .. queue .. '.DQ"'
  if not shared_until(id) or body:sub(1, #head) ~= head then return body end
  return '{"queue_name":"' .. queue .. '"' .. body:sub(#head + 1)
end

-- A Python worker takes a message with an eta for a delayed one, whatever list it comes from, and sends it once more when that
-- is past: so a body that was promoted gets its eta under another name. It acknowledges in the queue that the body names, and
-- what Python has delayed names the delay queue. Every other byte stays. The eta is found by its text, name and value, which
-- stands in a body as a key only: a quote inside of a string has a backslash before it. Where it stands twice, or a body is
-- written in any other way than by dramatiq and by us, it stays as it is; that costs Python the second trip, and nothing else.
local function renamed(body, eta, queue)
  local from, to = body:find('"eta":' .. eta, 1, true)
  if not from then return body end
  local before = body:sub(from - 1, from - 1)
  if before ~= '{' and before ~= ',' then return body end
  if not body:find('^[,}]', to + 1) and not body:find('^%.%d+[,}]', to + 1) then return body end
  if body:find('"eta":' .. eta, to, true) or body:find('\\u00[67]') then return body end
  local canonical, delayed = '{"queue_name":"' .. queue .. '",', '{"queue_name":"' .. queue .. '.DQ",'
  local head
  if body:sub(1, #canonical) == canonical then
    head = body:sub(1, from - 1)
  elseif body:sub(1, #delayed) == delayed then
    head = canonical .. body:sub(#delayed + 1, from - 1)
  else
    return body
  end
  return head .. PAST_ETA .. body:sub(from + 6)
end

local function promote(queue, fleet)
  local delayed, index = queue .. '.DQ', key(queue .. '@due')
  if room == 0 then
    more = 1
    return
  end
  local found = call('ZRANGEBYSCORE', index, '-inf', now, 'WITHSCORES', 'LIMIT', 0, room)
  local entries, all, priorities, etas = {}, {}, {}, {}
  for i = 1, #found / 2 do
    entries[i], etas[i] = found[2 * i - 1], found[2 * i]
    all[i], priorities[i] = from_entry(entries[i])
  end
  -- What cannot be taken back comes last, and is shown to be allowed before anything is written.
  call('ZREM', index, '')
  call('HDEL', bodies(delayed), '')
  local theirs = claims(fleet, delayed)
  local is_theirs = call('SMISMEMBER', theirs, unpack(all))
  local in_use = call('HMGET', bodies(queue), unpack(all))
  local free, places, seen, done, gone, batch = {}, {}, {}, {}, {}, {}
  for i, id in ipairs(all) do
    if is_theirs[i] == 0 then
      -- Taken over by Python: the entry is worth nothing.
      done[#done + 1] = entries[i]
    elseif not in_use[i] and not seen[id] then
      seen[id] = true
      free[#free + 1] = id
      places[#places + 1] = i
    end
  end
  local ids = fitting(bodies(delayed), free)
  local found = #ids > 0 and call('HMGET', bodies(delayed), unpack(ids))
  for at, id in ipairs(ids) do
    local i = places[at]
    -- Without a body, it was deleted by hand.
    if found[at] then
      local body = as_ready(queue, id, found[at])
      if is_mixed() then body = renamed(body, etas[i], queue) end
      gather(batch, 'HSET', bodies(queue), id, id, body)
      make_ready(batch, queue, fleet, id, priorities[i], 1)
      moved = moved + 1
    end
    done[#done + 1] = entries[i]
    gone[#gone + 1] = id
  end
  run(batch)
  if #gone > 0 then
    call('SREM', theirs, unpack(gone))
    undo('SADD', theirs, unpack(gone))
    call('HDEL', bodies(delayed), unpack(gone))
  end
  if #done > 0 then call('ZREM', index, unpack(done)) end
  if (#ids < #free or #entries == room) and #done > 0 then more = 1 end
  room = room - #done
end

-- How many messages a fleet holds, by name of the queue.
local by_fleet = {}

-- Index and claims are two keys, and somebody may have lost one: where their sizes differ, the larger is compared, chunk by
-- chunk. An entry without a claim goes, a claim without an entry gets one from its body.
local function reconcile(queue, fleet, name, index, cursor)
  local theirs = claims(fleet, name)
  local entries, claimed = call('ZCARD', index), call('SCARD', theirs)
  by_fleet[name] = claimed
  if entries == claimed then return '0' end
  local is_due = name ~= queue
  local batch, drop = {}, {}
  local page
  if entries > claimed then
    page = call('ZSCAN', index, cursor, 'COUNT', CHUNK)
    for i = 1, #page[2], 2 do
      local entry = page[2][i]
      local id = is_due and from_entry(entry) or entry
      if call('SISMEMBER', theirs, id) == 0 then drop[#drop + 1] = entry end
    end
    if #drop > 0 then call('ZREM', index, unpack(drop)) end
  else
    page = call('SSCAN', theirs, cursor, 'COUNT', CHUNK)
    for _, id in ipairs(page[2]) do
      local body = call('HGET', bodies(name), id)
      if not body then
        drop[#drop + 1] = id
      else
        local due, priority = read(body)
        local entry = is_due and to_entry(id, priority) or id
        if not call('ZSCORE', index, entry) then
          if is_due then
            gather(batch, 'ZADD', index, entry, due, entry)
          elseif priority ~= 0 then
            gather(batch, 'ZADD', index, id, rank(batch, index, priority, 1), id)
          else
            gather(batch, 'RPUSH', key(queue), id, id)
            drop[#drop + 1] = id
          end
        end
      end
    end
    run(batch)
    if #drop > 0 then call('SREM', theirs, unpack(drop)) end
  end
  return page[1]
end

local function expire(queue)
  local dead = queue .. '.XQ'
  -- Python deletes letters without their reasons.
  local reasons, orphans = key(dead .. '@why'), {}
  if call('HLEN', reasons) > call('ZCARD', key(dead)) then
    for _, id in ipairs(call('HRANDFIELD', reasons, CHUNK)) do
      if not call('ZSCORE', key(dead), id) then orphans[#orphans + 1] = id end
    end
    if #orphans > 0 then call('HDEL', reasons, unpack(orphans)) end
  end
  local ids = call('ZRANGEBYSCORE', key(dead), '-inf', now - keep, 'LIMIT', 0, CHUNK)
  if #ids == 0 then return end
  call('HDEL', bodies(dead), unpack(ids))
  call('HDEL', reasons, unpack(ids))
  call('ZREM', key(dead), unpack(ids))
  redis.pcall('SREM', key(queue .. '@unended'), unpack(ids))
  if #ids == CHUNK then more = 1 end
end

-- Which of a worker's claims somebody has cancelled, and whether there are dead letters whose end is still to be made. Hardly ever is
-- there anything, so that one look must do then.
local function noted(queue, mine)
  local cancelled, unended, found = key(queue .. '@cancelled'), key(queue .. '@unended'), {}
  if call('EXISTS', cancelled, unended) == 0 then return { found, 0 } end
  for from = 1, #mine, CHUNK do
    local reasons = call('HMGET', cancelled, unpack(mine, from, math.min(from + CHUNK - 1, #mine)))
    for i, reason in ipairs(reasons) do
      if reason then found[#found + 1] = mine[from + i - 1] end
    end
  end
  return { found, call('EXISTS', unended) }
end

local function upkeep_of(at)
  local queue, fleet = ARGV[at], ARGV[at + 1]
  local delayed, index = queue .. '.DQ', key(queue .. '@due')
  step(absorb, queue, fleet)
  local first = step(first_due, index)
  if first and tonumber(first) <= now then
    step(promote, queue, fleet)
    first = step(first_due, index)
  end
  local cursors = {
    step(reconcile, queue, fleet, delayed, index, ARGV[at + 2]) or '0',
    step(reconcile, queue, fleet, queue, key(queue .. '@held'), ARGV[at + 3]) or '0',
  }
  if keep then step(expire, queue) end
  -- Nothing where it is refused: a worker must not take that for having lost them all.
  local mine = step(function()
    return call('SCARD', claims(worker, queue)) > 0 and call('SMEMBERS', claims(worker, queue)) or {}
  end)
  -- Whoever waits may have missed its wake-up: on a connection that died silently, say. A fetch says what is refused.
  local _, ready = attempt(function()
    local is_any = (by_fleet[queue] or call('SCARD', claims(fleet, queue))) > 0 or call('LLEN', key(queue)) > 0
    return is_any and call('SISMEMBER', PAUSED, queue) == 0
  end)
  local notes = step(noted, queue, mine or {}) or { {}, 0 }
  return { mine or false, first or '', cursors[1], cursors[2], ready == true and 1 or 0, notes[1], notes[2] }
end

local queues = {}
for at = FIRST, #ARGV, 4 do
  local is_busy = #ARGV < FIRST + 4 or some(at, at + 3)
  queues[#queues + 1] = is_busy and upkeep_of(at) or { {}, '', '0', '0', 0, {}, 0 }
end
return answer_with(queues)
