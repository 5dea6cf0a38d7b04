-- Gives back what a dead worker held: to the head of its queue, or, after too many deaths or if it was cancelled, to the dead
-- letters.
-- ARGV: now, the dead one, the score that was seen, how many deaths are too many, seconds that deaths are remembered,
--   the reason of a dead letter, 'bury' if its heartbeat goes once nothing is left, then the names of queues
-- Answers: how many moved, and whether there is more; nothing where the score has changed: it lives.
local dead, limit, remember, reason = ARGV[2], tonumber(ARGV[4]), ARGV[5], ARGV[6]
if call('ZSCORE', HEARTBEATS, dead) ~= ARGV[3] then return { 0, 0 } end
call('ZREM', HEARTBEATS, '')

local moved, more = 0, 0

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
  local batch, buried = {}, {}
  for i, id in ipairs(ids) do
    -- The bodies may be large, and stay where they are.
    if call('HEXISTS', bodies(name), id) == 1 then
      local deaths, why = 0, reasons[i]
      if not is_delayed and not why then
        deaths = call('HINCRBY', crashes, id, 1)
        undo('HINCRBY', crashes, id, -1)
      end
      if why or deaths >= limit then
        bury(batch, queue, free_letter(queue, id), call('HGET', bodies(name), id), why or reason)
        buried[#buried + 1] = id
      else
        gather(batch, 'LPUSH', key(name), id, id)
        if not is_delayed then moved = moved + 1 end
      end
    end
  end
  run(batch)
  if not is_delayed then call('EXPIRE', crashes, remember) end
  call('SREM', held, unpack(ids))
  if #buried > 0 then
    call('HDEL', bodies(name), unpack(buried))
    call('HDEL', crashes, unpack(buried))
    if is_any_cancelled then call('HDEL', cancelled, unpack(buried)) end
  end
  if #ids == CHUNK then more = 1 end
end

for at = 8, #ARGV do
  local ok, refusal = attempt(recover, ARGV[at])
  if not ok then return { err = refusal } end
end
if ARGV[7] == 'bury' and more == 0 then
  for at = 8, #ARGV do
    if call('SCARD', claims(dead, ARGV[at])) > 0 then return { moved, 1 } end
  end
  call('ZREM', HEARTBEATS, dead)
  call('HDEL', RUST, dead)
end
return { moved, more }
