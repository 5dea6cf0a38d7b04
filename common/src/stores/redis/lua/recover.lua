-- Requeues what dead workers held: to the heads of their queues, or, if it was cancelled, to the dead letters. One call takes in
-- as many of them as it has time for.
-- ARGV: now, 'rust' or 'python', seconds that deaths are remembered, the time between two beats, within how long of the last start
--   one counts, how many names of queues, the names (for Python's, which do not tell theirs), then per dead one: id, the score that
--   was seen
-- Answers: how many messages moved, how many of the dead are dealt with (from the front), the refusals (id, refusal)*. Nothing
-- happens to one whose score has changed: it lives.
local is_rust, remember, interval, together = ARGV[2] == 'rust', ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local lives = is_rust and BEATS or HEARTBEATS
call('ZREM', HEARTBEATS, '')

local moved, refusals = 0, {}
-- What is left of the time of this call, in messages; to look through ten empty queues takes about as long as to move one.
local budget, EMPTY = CHUNK, 10
-- The one that is dealt with.
local dead, score

-- Notes of messages that Python has acknowledged since; a few are looked for with every recovery.
local STALE = 20

-- What had not started by the last beat of the dead one, by queue; a report of an earlier beat counts for nothing.
local reports
local function waiting_in(queue)
  if not reports then
    local ok, decoded = false, nil
    local report = redis.pcall('GET', key('@waiting.' .. dead))
    local time, text = string.match(type(report) == 'string' and report or '', '^(%d+) (.*)$')
    local age = time and tonumber(score) - tonumber(time)
    if age and age >= 0 and age < interval then ok, decoded = pcall(cjson.decode, text) end
    reports = ok and type(decoded) == 'table' and decoded or {}
  end
  local is_waiting = {}
  for _, id in ipairs(reports[queue] or {}) do is_waiting[id] = true end
  return is_waiting
end

-- Whether the dead one started another marked message some time after this.
local last
local function was_overtaken(at)
  last = last or redis.pcall('GET', last_start(dead))
  local time = type(last) == 'string' and tonumber(last)
  return at and time and time - at > together
end

-- What one more death makes of a note: nothing where it stays as it is (stores/shared/blame.rs).
local function after_death(note, had_waited)
  local deaths, noted, starter, at, is_passed_over = deaths_in(note)
  if not deaths then return (not note and had_waited) and SPARED or '0' end
  if starter ~= dead then return nil end
  return not is_passed_over and was_overtaken(at) and noted .. '~' or tostring(deaths + 1)
end

local function is_there(queue, id)
  return call('HEXISTS', bodies(queue), id) == 1 or call('HEXISTS', bodies(queue .. '.DQ'), id) == 1
end

local function write_notes(queue, crashes, ids)
  local notes, is_waiting = call('HMGET', crashes, unpack(ids)), waiting_in(queue)
  local written = {}
  for i, id in ipairs(ids) do
    local note = after_death(notes[i], is_waiting[id])
    if note then
      written[#written + 1] = id
      written[#written + 1] = note
      if notes[i] then undo('HSET', crashes, id, notes[i]) else undo('HDEL', crashes, id) end
    end
  end
  if #written > 0 then call('HSET', crashes, unpack(written)) end
  call('EXPIRE', crashes, remember)
  local gone = {}
  for _, id in ipairs(redis.pcall('HRANDFIELD', crashes, STALE)) do
    if not is_there(queue, id) then gone[#gone + 1] = id end
  end
  if #gone > 0 then call('HDEL', crashes, unpack(gone)) end
end

-- Removals cannot be taken back, so they come last, and are shown to be allowed before anything is written.
local function recover(name)
  local held = claims(dead, name)
  local ids = call('SRANDMEMBER', held, math.max(math.floor(budget), 1))
  if #ids == 0 then return end
  budget = budget - #ids
  local is_delayed = name:sub(-3) == '.DQ'
  local queue = is_delayed and name:sub(1, -4) or name
  local crashes = key(queue .. '@crashes')
  call('SREM', held, '')
  call('HDEL', bodies(name), '')
  call('HDEL', crashes, '')
  local cancelled = key(queue .. '@cancelled')
  local is_any_cancelled = call('EXISTS', cancelled) == 1
  local reasons = is_any_cancelled and call('HMGET', cancelled, unpack(ids)) or {}
  local batch, dead_lettered, back, ran = {}, {}, {}, {}
  for i, id in ipairs(ids) do
    -- The bodies may be large, and stay where they are.
    if call('HEXISTS', bodies(name), id) == 1 then
      if reasons[i] then
        dead_letter(batch, queue, free_letter(queue, id), call('HGET', bodies(name), id), reasons[i], true)
        dead_lettered[#dead_lettered + 1] = id
      else
        gather(batch, 'LPUSH', key(name), id, id)
        back[#back + 1] = id
        -- Python holds what is delayed until it is due, and enqueues it anew then. What lies there for it, it runs from there.
        if not is_delayed or shared_until(id) then ran[#ran + 1] = id end
      end
    end
  end
  run(batch)
  if not is_delayed then moved = moved + #back end
  if #ran > 0 then write_notes(queue, crashes, ran) end
  call('SREM', held, unpack(ids))
  if #dead_lettered > 0 then
    call('HDEL', bodies(name), unpack(dead_lettered))
    call('HDEL', crashes, unpack(dead_lettered))
    if is_any_cancelled then call('HDEL', cancelled, unpack(dead_lettered)) end
  end
end

local function registered()
  local names = {}
  for name in (call('HGET', RUST, dead) or ''):gmatch('%S+') do names[#names + 1] = name end
  return names
end

-- Whether one is dealt with: nothing is left of it in these queues, or what is left is refused.
local function settle(names)
  if call('ZSCORE', lives, dead) ~= score then return true end
  reports, last = nil, nil
  names = names or registered()
  budget = budget - 1 - #names / EMPTY
  local is_refused = false
  for from = 1, #names, CHUNK do
    local sets, to = {}, math.min(from + CHUNK - 1, #names)
    for i = from, to do sets[#sets + 1] = claims(dead, names[i]) end
    -- Of most queues nothing is held.
    if call('EXISTS', unpack(sets)) > 0 then
      for i = from, to do
        local ok, refusal = attempt(recover, names[i])
        if not ok then
          refusals[#refusals + 1], refusals[#refusals + 2] = dead, refusal
          is_refused = true
        elseif call('EXISTS', sets[i - from + 1]) == 1 then
          return false
        end
      end
    end
  end
  -- Found empty and taken off in one step: it may have woken, and fetch.
  if is_rust and not is_refused then
    call('ZREM', HEARTBEATS, dead)
    call('ZREM', BEATS, dead)
    call('HDEL', RUST, dead)
    redis.pcall('UNLINK', last_start(dead))
  end
  return true
end

local first = 7 + tonumber(ARGV[6])
local names
if not is_rust then
  names = {}
  for at = 7, first - 1 do names[#names + 1] = ARGV[at] end
end
local settled = 0
for at = first, #ARGV, 2 do
  dead, score = ARGV[at], ARGV[at + 1]
  if budget <= 0 or not settle(names) then break end
  settled = settled + 1
end
return { moved, settled, refusals }
