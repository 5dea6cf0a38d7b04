-- What all scripts share. KEYS[1] is the namespace; ARGV[1] is the time under a manual clock, and empty otherwise.
-- LARGEST is the most that the body of a message may take to be run; ROOM, what all bodies in one call may take together.
local N = KEYS[1]

-- No step moves more than this, so that nobody waits long for the server.
local CHUNK = 1000
-- How old a sign of life of a fleet may be, in milliseconds.
local FRESH = 5000
local HEARTBEATS = N .. ':__heartbeats__'
local RUST = N .. ':@rust'
local BEATS = N .. ':@beats'
local PAUSED = N .. ':@paused'

local function key(name) return N .. ':' .. name end
local function bodies(name) return N .. ':' .. name .. '.msgs' end
local function claims(worker, name) return N .. ':__acks__.' .. worker .. '.' .. name end

-- Runs a command; a refusal says which command on which key, as the server itself does not.
local function call(command, name, ...)
  local answer = redis.pcall(command, name, ...)
  if type(answer) == 'table' and answer.err then
    error({ err = 'STORE ' .. command .. '\t' .. name .. '\t' .. answer.err })
  end
  return answer
end

-- What is noted of a message in @crashes: how many workers died while they ran it, a ~ where the last death was not counted, and,
-- behind spaces, the worker that has recorded its start, and when; or that it was spared. Answers the number, the number as it is
-- noted, the worker, the time, and whether the last death was not counted; nothing where it is not marked.
local SPARED = ''
local function deaths_in(note)
  if not note then return nil end
  local noted, starter, at = note:match('^(%d+~?) ?(%S*) ?(%d*)$')
  if not noted then return nil end
  return tonumber(noted:match('%d+')), noted, starter, tonumber(at), noted:sub(-1) == '~'
end

-- When a worker recorded a start for the last time; for an hour.
local function last_start(worker) return key('@started.' .. worker) end

-- Whether two bodies are one message: since it came due, one may have its eta under another name.
local PAST_ETA = '"@eta":'
local function is_same(stored, body)
  if stored == body then return true end
  local from, to = stored:find(PAST_ETA, 1, true)
  return from ~= nil and stored:sub(1, from - 1) .. '"eta":' .. stored:sub(to + 1) == body
end

-- A name that no dead letter of a queue has.
local function free_letter(queue, id)
  while call('HEXISTS', bodies(queue .. '.XQ'), id) == 1 do id = id .. '+' end
  return id
end

-- The scores of what is held by priority: each priority has a band of its own.
local BAND = 2 ^ 40
-- The lowest score of a priority, as text.
local function lowest_score(priority) return string.format('%.0f', priority * BAND - BAND / 2) end

-- The counter of a group that is complete: out of reach of Python's decrements, so that no late end of theirs completes it again.
local PARKED = 2 ^ 40

-- Until when a message lies in the delay queue's list for Python, and Rust leaves it there: its name says so. Nil for most.
local function shared_until(id) return tonumber(id:match('#%x%x%x%x%x%x%x%x~(%d+)$')) end

local now = tonumber(ARGV[1])
if not now then
  local time = redis.pcall('TIME')
  if time.err then error({ err = 'STORE TIME\t\t' .. time.err }) end
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A time as text: as a number it would be written with all of its possible digits, for each command anew.
local function score(time) return string.format('%.0f', time) end

-- A script is isolated, but not rolled back: each write of a step leaves here the command that takes it back.
local undos = {}
local function undo(...) undos[#undos + 1] = { ... } end

-- Runs a step as a whole or not at all: true and its answer, or false and the refusal as text.
local function attempt(step, ...)
  undos = {}
  local ok, answer = pcall(step, ...)
  if ok then return true, answer end
  for i = #undos, 1, -1 do redis.pcall(unpack(undos[i])) end
  return false, type(answer) == 'table' and answer.err or tostring(answer)
end
