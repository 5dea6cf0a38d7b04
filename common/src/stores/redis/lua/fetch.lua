-- Claims ready messages for a worker.
-- ARGV: now, worker, bytes of bodies that all queues may bring together, how many messages they may, group and member where only
--   some of a large group listen (or ''), then per queue: name, fleet, how many, before which priority (or '')
-- Answers per queue (id, body)*; then of those that are marked (place among all of them, deaths)*, what was dead-lettered
-- (queue, id, reason)*, the ids that were dropped, the refusals (queue, refusal)*, per queue whether it may have more (1, or 0,
-- or -1 where its turn did not come), whether another one listens now in this one's place, the time of the next due message or
-- '', and the time.
local worker = ARGV[2]
if not call('ZSCORE', HEARTBEATS, worker) then return { err = 'UNREGISTERED no heartbeat' } end
local dropped, refusals, dead_lettered = {}, {}, {}

-- How many of these ids fit into the answer; the first one of all always does. Sizes are looked at before any body is: a few
-- large ones, brought together, would hold up the server and outlast the call's time limit. One that is too large to be brought,
-- and is moved instead, is so alone.
local room, is_begun, is_full, sizes = tonumber(ARGV[3]), false, false, {}
local function fitting(queue, ids)
  local hash = bodies(queue)
  for i, id in ipairs(ids) do
    local size = redis.pcall('HSTRLEN', hash, id)
    if type(size) == 'table' then call('HSTRLEN', hash, id) end
    room = room - size
    if room < 0 and is_begun then
      is_full = true
      return i - 1
    end
    if size > LARGEST then sizes[id] = size end
    is_begun = true
  end
  return #ids
end

-- Whether nothing may be fetched from a queue: one look for all of them.
local paused
local function is_paused(queue)
  if not paused then
    local queues, are_paused = {}, {}
    for at = 7, #ARGV, 4 do queues[#queues + 1] = ARGV[at] end
    for i, is in ipairs(call('SMISMEMBER', PAUSED, unpack(queues))) do are_paused[queues[i]] = is == 1 end
    paused = are_paused
  end
  return paused[queue]
end

-- Hardly ever is anything noted of a queue's messages, deaths or cancellations, so that one look must do then.
local is_noted
local function has_notes(queue)
  if is_noted == nil then
    is_noted = redis.pcall('EXISTS', key(queue .. '@crashes'), key(queue .. '@cancelled')) ~= 0
  end
  return is_noted
end

-- Too large to travel, or cancelled while somebody had claimed it who gave it back: it dies where it is, unread.
local function dead_letter(queue, id, reason)
  local body = call('HGET', bodies(queue), id)
  if not body then
    dropped[#dropped + 1] = id
    return
  end
  local dead, free = queue .. '.XQ', free_letter(queue, id)
  call('HSET', bodies(dead), free, body)
  undo('HDEL', bodies(dead), free)
  call('HSET', key(dead .. '@why'), free, reason)
  undo('HDEL', key(dead .. '@why'), free)
  call('ZADD', key(dead), now, free)
  undo('ZREM', key(dead), free)
  call('SADD', key(queue .. '@unended'), free)
  undo('SREM', key(queue .. '@unended'), free)
  call('HDEL', bodies(queue), id)
  undo('HSET', bodies(queue), id, body)
  for _, part in ipairs({ queue, free, reason }) do dead_lettered[#dead_lettered + 1] = part end
end

-- What is held by priority counts only if the fleet claims it; otherwise Python has taken it over. Answers the ids, and whether there
-- are no more of them.
local function pop_held(queue, fleet, wanted, low, high)
  local held, theirs = key(queue .. '@held'), claims(fleet, queue)
  local found = call('ZRANGEBYSCORE', held, low, high, 'WITHSCORES', 'LIMIT', 0, wanted)
  local all = {}
  for i = 1, #found, 2 do all[#all + 1] = found[i] end
  if #all == 0 then return all, true end
  local is_theirs = call('SMISMEMBER', theirs, unpack(all))
  local fit = fitting(queue, all)
  local ids, scores, taken = {}, {}, {}
  for i = 1, fit do
    ids[i] = all[i]
    scores[2 * i - 1], scores[2 * i] = found[2 * i], all[i]
    if is_theirs[i] == 1 then taken[#taken + 1] = all[i] end
  end
  if fit == 0 then return ids, false end
  call('ZREM', held, unpack(ids))
  undo('ZADD', held, unpack(scores))
  if #taken > 0 then
    -- Who may not claim could not take back a removal either: shown to be allowed by adding what is there.
    call('SADD', theirs, unpack(taken))
    call('SREM', theirs, unpack(taken))
    undo('SADD', theirs, unpack(taken))
  end
  return taken, #all < wanted
end

-- The ids in reverse, from one of them on: so pushing them restores their order.
local function backwards(ids, from)
  local back = {}
  for i = #ids, from, -1 do back[#back + 1] = ids[i] end
  return back
end

local function pop_list(queue, wanted)
  local ids = call('LPOP', key(queue), wanted) or {}
  if #ids == 0 then return ids end
  undo('LPUSH', key(queue), unpack(backwards(ids, 1)))
  local fit = fitting(queue, ids)
  if fit == #ids then return ids end
  local back = redis.pcall('LPUSH', key(queue), unpack(backwards(ids, fit + 1)))
  -- Whoever may not push could not undo it either: better too much at once than lost.
  if type(back) == 'table' then return ids end
  undo('LPOP', key(queue), #ids - fit)
  return { unpack(ids, 1, fit) }
end

-- What was noted as cancelled, and is dead by now.
local settled

-- An id may be listed twice, or without a body: neither is delivered.
local function claim(queue, ids, seen, delivered)
  if #ids == 0 then return end
  local mine = claims(worker, queue)
  local is_mine = call('SMISMEMBER', mine, unpack(ids))
  local reasons = has_notes(queue) and call('HMGET', key(queue .. '@cancelled'), unpack(ids)) or {}
  local small = {}
  for i, id in ipairs(ids) do
    if is_mine[i] == 1 or seen[id] then
      dropped[#dropped + 1] = id
    elseif reasons[i] then
      seen[id] = true
      dead_letter(queue, id, reasons[i])
      settled[#settled + 1] = id
    elseif sizes[id] then
      seen[id] = true
      dead_letter(queue, id, string.format('it takes %.0f bytes; a worker takes %.0f at most', sizes[id], LARGEST))
    else
      seen[id] = true
      small[#small + 1] = id
    end
  end
  if #small == 0 then return end
  local found = call('HMGET', bodies(queue), unpack(small))
  local new, count, at = {}, 0, #delivered
  for i, id in ipairs(small) do
    if found[i] then
      count = count + 1
      new[count] = id
      delivered[at + 1], delivered[at + 2] = id, found[i]
      at = at + 2
    else
      dropped[#dropped + 1] = id
    end
  end
  if count > 0 then
    call('SADD', mine, unpack(new))
    undo('SREM', mine, unpack(new))
  end
end

local function fetch(one, wanted)
  local queue, fleet, seen, delivered = one.queue, one.fleet, one.seen, {}
  is_noted, settled, sizes = nil, {}, {}
  one.more = 0
  if is_paused(queue) then return delivered end
  local some_held = call('ZCARD', key(queue .. '@held')) > 0
  -- What was taken and is not delivered makes no room for what comes after the rest of its kind: that has to wait its turn.
  local is_all = true
  local function take(ids, is_last)
    claim(queue, ids, seen, delivered)
    is_all = is_last
    return wanted - #delivered / 2
  end
  local missing, before = wanted, one.before
  local is_listed, last = not before or before > 0, before and '(' .. lowest_score(before) or '+inf'
  if some_held then missing = take(pop_held(queue, fleet, wanted, '-inf', is_listed and '(0' or last)) end
  if is_listed and missing > 0 and is_all and not is_full then
    local ids = pop_list(queue, missing)
    missing = take(ids, #ids < missing)
  end
  if is_listed and some_held and missing > 0 and is_all and not is_full then
    missing = take(pop_held(queue, fleet, missing, '(0', last))
  end
  if #settled > 0 then
    call('HDEL', key(queue .. '@cancelled'), unpack(settled))
    redis.pcall('HDEL', key(queue .. '@crashes'), unpack(settled))
  end
  -- Found empty only where each place gave less than was asked of it, whatever became of what it gave.
  if missing == 0 or not is_all or is_full then one.more = 1 end
  -- What comes later was not looked at.
  if before and one.more == 0 then one.more = -1 end
  return delivered
end

-- What lies in the inbox of the delay queue was not looked at yet, and counts as due; but not what lies there for Python.
local next_due
local function look_ahead(queue)
  local first = call('ZRANGE', key(queue .. '@due'), 0, 0, 'WITHSCORES')
  local listed = call('LINDEX', key(queue .. '.DQ'), 0)
  local due = listed and not shared_until(listed) and now or tonumber(first[2])
  if due and (not next_due or due < next_due) then next_due = due end
end

local crashed, before = {}, 0
local function look_back(queue, delivered)
  is_noted = nil
  local crashes = key(queue .. '@crashes')
  if #delivered == 0 or not has_notes(queue) then return end
  local ids = {}
  for i = 1, #delivered, 2 do ids[#ids + 1] = delivered[i] end
  for i, note in ipairs(call('HMGET', crashes, unpack(ids))) do
    local deaths, noted, starter = deaths_in(note)
    if deaths then
      crashed[#crashed + 1] = before + i
      crashed[#crashed + 1] = deaths
      -- It started once, and was requeued: this claim has not.
      if starter == worker then call('HSET', crashes, ids[i], noted) end
    end
  end
end

-- One queue's turn: takes at most so many from it.
local left = tonumber(ARGV[4])
local function take(one, wanted)
  wanted = math.min(wanted, one.wanted, left)
  if wanted <= 0 or is_full then return end
  local drops, dead_letters_before = #dropped, #dead_lettered
  local ok, delivered = attempt(fetch, one, wanted)
  if not ok then
    refusals[#refusals + 1], refusals[#refusals + 2] = one.queue, delivered
    for i = #dropped, drops + 1, -1 do dropped[i] = nil end
    for i = #dead_lettered, dead_letters_before + 1, -1 do dead_lettered[i] = nil end
    one.more, one.wanted, one.gave_all = 0, 0, false
    return
  end
  local count = #delivered / 2
  one.gave_all = count == wanted
  one.wanted, left = one.wanted - count, left - count
  for _, part in ipairs(delivered) do one.delivered[#one.delivered + 1] = part end
end

local queues = {}
for at = 7, #ARGV, 4 do
  local wanted, before = math.min(tonumber(ARGV[at + 2]), CHUNK), tonumber(ARGV[at + 3])
  queues[#queues + 1] =
    { queue = ARGV[at], fleet = ARGV[at + 1], wanted = wanted, before = before, more = -1, seen = {}, delivered = {} }
end
-- A share of each; then those that have more give the rest.
local share = math.ceil(left / #queues)
for _, one in ipairs(queues) do take(one, share) end
for _, one in ipairs(queues) do
  if one.gave_all then take(one, left) end
end

-- Who got something listens no longer: another one does from now on, and two more come where there is more to get, so that as many
-- wake as there is work for. Whatever goes wrong here, a beat of any of them finds what is left.
local function hand_on(group, member)
  local on, off = key('@duty.' .. group), key('@idle.' .. group)
  local wanted = call('ZSCORE', on, member) and 1 or 0
  for _, one in ipairs(queues) do
    if one.more == 1 and call('LLEN', key(one.queue)) > 0 then
      wanted = wanted + 2
      break
    end
  end
  if wanted == 0 then return 0 end
  local called, stamp = 0, score(now)
  for _, other in ipairs(call('ZRANDMEMBER', off, wanted + 3)) do
    call('ZREM', off, other)
    -- Nobody hears it who is dead.
    if other ~= member and call('PUBLISH', key('@call.' .. other), member) > 0 then
      call('ZADD', on, stamp, other)
      called = called + 1
      if called == wanted then break end
    end
  end
  if called == 0 then return 0 end
  call('ZREM', on, member)
  call('ZADD', off, stamp, member)
  call('PEXPIRE', on, FRESH)
  call('PEXPIRE', off, FRESH)
  return 1
end
local handed_on = 0
if ARGV[5] ~= '' and left < tonumber(ARGV[4]) then
  local ok, is_done = attempt(hand_on, ARGV[5], ARGV[6])
  handed_on = ok and is_done or 0
end

local answer, more = {}, {}
for i, one in ipairs(queues) do
  answer[i], more[i] = one.delivered, one.more
  attempt(look_ahead, one.queue)
  attempt(look_back, one.queue, one.delivered)
  before = before + #one.delivered / 2
end
for _, part in ipairs({ crashed, dead_lettered, dropped, refusals, more, handed_on }) do answer[#answer + 1] = part end
answer[#answer + 1] = next_due and score(next_due) or ''
answer[#answer + 1] = score(now)
return answer
