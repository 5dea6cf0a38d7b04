-- Who of a group of waiting workers listens. A group has the same queues; where it is large, only some of it listen for all.
-- Answers 1 if the member listens. Without a number of how many do, the member waits for nothing.
local function share(group, member, most)
  local on, off = key('@duty.' .. group), key('@idle.' .. group)
  if not most then
    call('ZREM', on, member)
    call('ZREM', off, member)
    return 0
  end
  -- Who has not beaten for so long is dead, or works.
  local stamp, oldest = score(now), score(now - FRESH / 2)
  local is_on, count = call('ZSCORE', on, member), call('ZCOUNT', on, oldest, '+inf')
  local listens = (is_on and count <= most) or (not is_on and count < most)
  local mine = listens and on or off
  if listens then
    call('ZREMRANGEBYSCORE', on, '-inf', '(' .. oldest)
    call('ZREMRANGEBYSCORE', off, '-inf', '(' .. oldest)
    call('ZREM', off, member)
    call('PEXPIRE', off, FRESH)
  elseif is_on then
    call('ZREM', on, member)
  end
  call('ZADD', mine, stamp, member)
  if listens then call('PEXPIRE', on, FRESH) end
  return listens and 1 or 0
end
