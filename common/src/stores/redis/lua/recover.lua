-- Gives back what a dead worker held: to the head of its queue, or, if it was cancelled, to the dead letters.
-- ARGV: now, the dead one, the score that was seen, seconds that deaths are remembered, the time between two beats, 'bury' if
--   its heartbeat goes once nothing is left, then the names of queues
-- Answers: how many moved, and whether there is more; nothing where the score has changed: it lives.
local dead, score, remember, interval = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5])
if call('ZSCORE', HEARTBEATS, dead) ~= score then return { 0, 0 } end
call('ZREM', HEARTBEATS, '')

local moved, more = 0, 0

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

-- What one more death makes of a note: nothing where it stays as it is (stores/blame.rs).
local function after_death(note, had_waited)
  local deaths, starter = deaths_in(note)
  if deaths then return starter == dead and tostring(deaths + 1) or nil end
  return (not note and had_waited) and SPARED or '0'
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
    if call('HEXISTS', bodies(queue), id) == 0 then gone[#gone + 1] = id end
  end
  if #gone > 0 then call('HDEL', crashes, unpack(gone)) end
end

-- Removals cannot be taken back, so they come last, and are shown to be allowed before anything is written.
local function recover(name)
  local held = claims(dead, name)
  local ids = call('SRANDMEMBER', held, CHUNK)
  if #ids == 0 then return end
  local crashes = key(name .. '@crashes')
  call('SREM', held, '')
  call('HDEL', bodies(name), '')
  call('HDEL', crashes, '')
  local is_delayed = name:sub(-3) == '.DQ'
  local queue = is_delayed and name:sub(1, -4) or name
  local cancelled = key(queue .. '@cancelled')
  local is_any_cancelled = call('EXISTS', cancelled) == 1
  local reasons = is_any_cancelled and call('HMGET', cancelled, unpack(ids)) or {}
  local batch, buried, back = {}, {}, {}
  for i, id in ipairs(ids) do
    -- The bodies may be large, and stay where they are.
    if call('HEXISTS', bodies(name), id) == 1 then
      if reasons[i] then
        bury(batch, queue, free_letter(queue, id), call('HGET', bodies(name), id), reasons[i])
        buried[#buried + 1] = id
      else
        gather(batch, 'LPUSH', key(name), id, id)
        back[#back + 1] = id
      end
    end
  end
  run(batch)
  if not is_delayed then
    moved = moved + #back
    if #back > 0 then write_notes(queue, crashes, back) end
  end
  call('SREM', held, unpack(ids))
  if #buried > 0 then
    call('HDEL', bodies(name), unpack(buried))
    call('HDEL', crashes, unpack(buried))
    if is_any_cancelled then call('HDEL', cancelled, unpack(buried)) end
  end
  if #ids == CHUNK then more = 1 end
end

for at = 7, #ARGV do
  local ok, refusal = attempt(recover, ARGV[at])
  if not ok then return { err = refusal } end
end
if ARGV[6] == 'bury' and more == 0 then
  for at = 7, #ARGV do
    if call('SCARD', claims(dead, ARGV[at])) > 0 then return { moved, 1 } end
  end
  call('ZREM', HEARTBEATS, dead)
  call('ZREM', BEATS, dead)
  call('HDEL', RUST, dead)
end
return { moved, more }
