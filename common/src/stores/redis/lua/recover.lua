-- Gives back what a dead worker held: to the head of its queue, or, after too many deaths, to the dead letters.
-- ARGV: now, the dead one, the score that was seen, how many deaths are too many, seconds that deaths are remembered,
--   the reason of a dead letter, 'bury' if its heartbeat goes once nothing is left, then the names of queues
-- Answers: how many moved, and whether there is more; nothing where the score has changed: it lives.
local dead, limit, remember, reason = ARGV[2], tonumber(ARGV[4]), ARGV[5], ARGV[6]
if call('ZSCORE', HEARTBEATS, dead) ~= ARGV[3] then return { 0, 0 } end
call('ZREM', HEARTBEATS, '')

local moved, more = 0, 0

-- Pushes first, then removes: a refusal in between leaves a message twice, never nowhere.
local function recover(name)
  local held = claims(dead, name)
  local ids = call('SRANDMEMBER', held, CHUNK)
  if #ids == 0 then return end
  local found = call('HMGET', bodies(name), unpack(ids))
  local crashes = key(name .. '@crashes')
  local is_delayed = name:sub(-3) == '.DQ'
  local batch, buried = {}, {}
  for i, id in ipairs(ids) do
    if found[i] then
      local deaths = is_delayed and 0 or call('HINCRBY', crashes, id, 1)
      if deaths >= limit then
        local free = id
        while call('HEXISTS', bodies(name .. '.XQ'), free) == 1 do free = free .. '+' end
        bury(batch, name, free, found[i], reason)
        buried[#buried + 1] = id
      else
        gather(batch, 'LPUSH', key(name), id, id)
        if not is_delayed then moved = moved + 1 end
      end
    end
  end
  run(batch)
  call('SREM', held, unpack(ids))
  if #buried > 0 then
    call('HDEL', bodies(name), unpack(buried))
    call('HDEL', crashes, unpack(buried))
  end
  if not is_delayed then call('EXPIRE', crashes, remember) end
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
