-- Claims ready messages for a worker.
-- ARGV: now, worker, then per queue: name, fleet, how many
-- Answers per queue (id, body)*; then of those whose workers died (place among all of them, deaths)*, the ids that were
-- dropped, the refusals, the time of the next due message or '', and the time.
local worker = ARGV[2]
if not call('ZSCORE', HEARTBEATS, worker) then return { err = 'STRANGER no heartbeat' } end
local dropped, refusals = {}, {}

-- What is held by priority counts only if the fleet claims it; otherwise Python has taken it over.
local function pop_held(queue, fleet, wanted, low, high)
  local held, theirs = key(queue .. '@held'), claims(fleet, queue)
  local found = call('ZRANGEBYSCORE', held, low, high, 'WITHSCORES', 'LIMIT', 0, wanted)
  local ids, scores = {}, {}
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
    scores[i], scores[i + 1] = found[i + 1], found[i]
  end
  if #ids == 0 then return ids end
  local is_theirs = call('SMISMEMBER', theirs, unpack(ids))
  local taken = {}
  for i, id in ipairs(ids) do
    if is_theirs[i] == 1 then taken[#taken + 1] = id end
  end
  call('ZREM', held, unpack(ids))
  undo('ZADD', held, unpack(scores))
  if #taken > 0 then
    call('SREM', theirs, unpack(taken))
    undo('SADD', theirs, unpack(taken))
  end
  return taken
end

local function pop_list(queue, wanted)
  local ids = call('LPOP', key(queue), wanted) or {}
  local back = {}
  for i, id in ipairs(ids) do back[#ids + 1 - i] = id end
  if #ids > 0 then undo('LPUSH', key(queue), unpack(back)) end
  return ids
end

-- An id may be listed twice, or without a body: neither is delivered.
local function claim(queue, ids, seen, delivered)
  if #ids == 0 then return end
  local mine = claims(worker, queue)
  local is_mine = call('SMISMEMBER', mine, unpack(ids))
  local found = call('HMGET', bodies(queue), unpack(ids))
  local new, count, at = {}, 0, #delivered
  for i, id in ipairs(ids) do
    local body = found[i]
    if body and is_mine[i] == 0 and not seen[id] then
      seen[id] = true
      count = count + 1
      new[count] = id
      delivered[at + 1], delivered[at + 2] = id, body
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

local function fetch(queue, fleet, wanted)
  local seen, delivered = {}, {}
  local some_held = call('ZCARD', key(queue .. '@held')) > 0
  if some_held then claim(queue, pop_held(queue, fleet, wanted, '-inf', '(0'), seen, delivered) end
  local missing = wanted - #delivered / 2
  if missing > 0 then claim(queue, pop_list(queue, missing), seen, delivered) end
  missing = wanted - #delivered / 2
  if some_held and missing > 0 then
    claim(queue, pop_held(queue, fleet, missing, '(0', '+inf'), seen, delivered)
  end
  return delivered
end

-- What lies in the inbox of the delay queue was not looked at yet, and counts as due.
local next_due
local function look_ahead(queue)
  local first = call('ZRANGE', key(queue .. '@due'), 0, 0, 'WITHSCORES')
  local due = call('LLEN', key(queue .. '.DQ')) > 0 and now or tonumber(first[2])
  if due and (not next_due or due < next_due) then next_due = due end
end

-- Hardly ever is there anything to know, so that one look must do then.
local crashed, before = {}, 0
local function look_back(queue, delivered)
  local crashes = key(queue .. '@crashes')
  if #delivered == 0 or call('EXISTS', crashes) == 0 then return end
  local ids = {}
  for i = 1, #delivered, 2 do ids[#ids + 1] = delivered[i] end
  for i, deaths in ipairs(call('HMGET', crashes, unpack(ids))) do
    if deaths then
      crashed[#crashed + 1] = before + i
      crashed[#crashed + 1] = deaths
    end
  end
end

local answer = {}
for at = 3, #ARGV, 3 do
  local ok, delivered = attempt(fetch, ARGV[at], ARGV[at + 1], math.min(tonumber(ARGV[at + 2]), CHUNK))
  if not ok then
    refusals[#refusals + 1] = delivered
    delivered = {}
  end
  answer[#answer + 1] = delivered
  attempt(look_ahead, ARGV[at])
  attempt(look_back, ARGV[at], delivered)
  before = before + #delivered / 2
end
answer[#answer + 1] = crashed
answer[#answer + 1] = dropped
answer[#answer + 1] = refusals
answer[#answer + 1] = next_due and string.format('%.0f', next_due) or ''
answer[#answer + 1] = string.format('%.0f', now)
return answer
