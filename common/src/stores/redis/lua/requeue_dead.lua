-- Makes dead letters ready again, under other names: all that are there, or none of them.
-- ARGV: now, queue, then per letter: name, and the message: queue, fleet, id, due, priority, body
-- Answers per letter: 1 it is ready, 0 it was not there, -1 the new id is in use (nothing happened to it).
local dead = ARGV[2] .. '.XQ'
local index, why = key(dead), key(dead .. '@why')

local function requeue()
  local answers, batch, gone, seen = {}, {}, {}, {}
  for at = 3, #ARGV, 7 do
    local name, queue, fleet, id = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    local answer = 0
    if not seen[name] and call('ZSCORE', index, name) then
      if call('HEXISTS', bodies(queue), id) == 1 or call('HEXISTS', bodies(queue .. '.DQ'), id) == 1 then
        answer = -1
      else
        answer, seen[name] = 1, true
        gone[#gone + 1] = name
        put(batch, queue, fleet, id, tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), ARGV[at + 6])
      end
    end
    answers[#answers + 1] = answer
  end
  if #gone == 0 then return answers end
  -- Removals cannot be taken back, so they come last, and are shown to be allowed before anything is written.
  call('ZREM', index, '')
  call('HDEL', bodies(dead), '')
  call('HDEL', why, '')
  run(batch)
  call('ZREM', index, unpack(gone))
  call('HDEL', bodies(dead), unpack(gone))
  call('HDEL', why, unpack(gone))
  redis.pcall('SREM', key(ARGV[2] .. '@unended'), unpack(gone))
  return answers
end

local ok, answers = attempt(requeue)
return ok and answers or { err = answers }
