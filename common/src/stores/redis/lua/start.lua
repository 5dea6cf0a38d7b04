-- Records that a worker is about to run what it has claimed.
-- ARGV: now, worker, how long that is remembered in seconds, then per queue: name, how many, id*
-- Answers one number an id: 1 it is recorded, 0 the worker does not hold it.
local worker, remember = ARGV[2], ARGV[3]
local is_any, HOUR = false, 3600

local function start(queue, from, to, answers)
  local crashes = key(queue .. '@crashes')
  -- A removal that removes nothing opens a full server.
  call('HDEL', crashes, '')
  local is_mine = call('SMISMEMBER', claims(worker, queue), unpack(ARGV, from, to))
  local notes = call('HMGET', crashes, unpack(ARGV, from, to))
  for i, is in ipairs(is_mine) do
    local id, note = ARGV[from + i - 1], notes[i]
    local is_held = is == 1 and call('HEXISTS', bodies(queue), id) == 1
    if is_held then
      local _, noted = deaths_in(note)
      if note then undo('HSET', crashes, id, note) else undo('HDEL', crashes, id) end
      call('HSET', crashes, id, (noted or '0') .. ' ' .. worker .. ' ' .. score(now))
      is_any = true
    end
    answers[#answers + 1] = is_held and 1 or 0
  end
  call('EXPIRE', crashes, remember)
end

local function start_all()
  local answers, at = {}, 4
  while ARGV[at] do
    local count = tonumber(ARGV[at + 1])
    start(ARGV[at], at + 2, at + 1 + count, answers)
    at = at + 2 + count
  end
  if is_any then call('SET', last_start(worker), score(now), 'EX', HOUR) end
  return answers
end

local ok, answers = attempt(start_all)
return ok and answers or { err = answers }
