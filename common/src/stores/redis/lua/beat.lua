-- One beat of a worker: it lives, its queues' fleets live, and who else does not. Mostly there is nothing more to do, and the answer goes
-- from here; all upkeep of the queues follows (upkeep.lua).
-- ARGV: now, worker, its queues joined by spaces (or '' where it is registered already), interval (or '' where nobody looks at
--   peers), offset among Python's silent workers and fleets, how long dead letters are kept (or ''), what its part in a large fleet
--   is to be: group (or ''), member, how many listen (or '' for none of its part),
--   then per queue: name, fleet, cursor in the due index, cursor in the held one
-- Answers: now, moved, more to do?, who is silent (below), refusals, registered?, how many heartbeats there are, whether the member
--   listens, then per queue, where there is something to do in any: {own claims, time of the next due message or '', both cursors,
--   something to fetch?, own claims that were cancelled, dead letters whose end is still to be made?}
local worker, interval, keep, group = ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[6]), ARGV[7]
local FIRST = 10
local moved, more, refusals = 0, 0, {}

-- A step that is refused must not stop the others, nor another queue's.
local function step(...)
  local before = moved
  local ok, answer = attempt(...)
  if ok then return answer end
  moved = before
  refusals[#refusals + 1] = answer
end

-- A removal that removes nothing opens a full server: heartbeats must go on.
call('ZREM', HEARTBEATS, '')
local is_registered = live(worker, FIRST, 4) and 1 or 0
if is_registered == 0 and ARGV[3] ~= '' then is_registered = call('HSET', RUST, worker, ARGV[3]) end
local listens = group ~= '' and step(share, group, ARGV[8], tonumber(ARGV[9])) or 0

-- A fleet that nobody renews any more and that holds nothing is worth nothing: no sender trusts it. What an index may still name was
-- taken over by Python. One that holds something stays for Python's upkeep, or for the next worker of its queue.
local function take_off(fleet, queue)
  if call('EXISTS', claims(fleet, queue), claims(fleet, queue .. '.DQ')) > 0 then return false end
  call('ZREM', HEARTBEATS, fleet)
  call('HDEL', RUST, fleet)
  redis.pcall('UNLINK', key(queue .. '@due'), key(queue .. '@held'))
  return true
end

-- A page of all others that are silent: Python's workers and senders, and fleets. Answers (who, when)* of Python's, where the next page
-- begins, and how many fleets stay.
local function others(offset)
  if not is_anybody_silent(HEARTBEATS, interval) then return {}, 0, 0 end
  local found, old = silent(HEARTBEATS, interval, offset, PAGE)
  local ids, pythons, gone, stay = {}, {}, 0, 0
  for i = 1, #found, 2 do ids[#ids + 1] = found[i] end
  if #ids == 0 then return pythons, 0, 0 end
  for i, registration in ipairs(call('HMGET', RUST, unpack(ids))) do
    local when = found[2 * i]
    if not registration then
      pythons[#pythons + 1], pythons[#pythons + 2] = ids[i], when
    elseif registration:sub(1, 1) == '@' and now - when > FRESH then
      local ok, is_gone = attempt(take_off, ids[i], registration:sub(2))
      if ok and is_gone then gone = gone + 1 else stay = stay + 1 end
    end
  end
  return pythons, old == PAGE and offset + old - gone or 0, stay
end

-- Silent Rust workers, how many of those there are, and how many others; then Python's, where their next page begins, and how many
-- silent fleets it showed that hold something.
local look = {}
if interval then
  local workers, total, alive = {}, 0, 0
  if is_anybody_silent(BEATS, interval) then workers, total = silent(BEATS, interval, 0, PAGE) end
  if total == PAGE then
    total = call('ZCOUNT', BEATS, '-inf', '(' .. score(now - interval))
    alive = call('ZCARD', BEATS) - total
  end
  local pythons, offset, stay = others(tonumber(ARGV[5]))
  look = { workers, total, alive, pythons, offset, stay }
end

-- The keys of queues that a beat looks at: where there is none of them, there is nothing to do. Mostly there is none of any queue, so
-- that one look must do then.
local function some(from, to)
  local names = {}
  for at = from, to, 4 do
    local queue, fleet = ARGV[at], ARGV[at + 1]
    local delayed, n = queue .. '.DQ', #names
    names[n + 1], names[n + 2], names[n + 3], names[n + 4] = key(queue), key(delayed), key(queue .. '@due'), key(queue .. '@held')
    names[n + 5], names[n + 6], names[n + 7] = claims(fleet, queue), claims(fleet, delayed), claims(worker, queue)
    names[n + 8] = key(queue .. '@unended')
    if keep then names[n + 9], names[n + 10] = key(queue .. '.XQ'), key(queue .. '.XQ@why') end
  end
  return #names > 0 and redis.pcall('EXISTS', unpack(names)) ~= 0
end
local is_any = some(FIRST, #ARGV)

local function answer_with(queues)
  local answer = { score(now), moved, more, look, refusals, is_registered, call('ZCARD', HEARTBEATS), listens }
  for _, queue in ipairs(queues) do answer[#answer + 1] = queue end
  return answer
end
if not is_any then return answer_with({}) end
