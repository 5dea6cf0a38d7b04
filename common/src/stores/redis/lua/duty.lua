-- Who of a group of waiting workers listens. A group has the same queues; where it is large, only some of it listen for all.
-- ARGV: now, group, member, how many listen (or '' where the member waits for nothing)
-- Answers whether the member listens.
local on, off, member, most = key('@duty.' .. ARGV[2]), key('@idle.' .. ARGV[2]), ARGV[3], tonumber(ARGV[4])
-- Who has not beaten for so long is dead, or works.
call('ZREMRANGEBYSCORE', on, '-inf', '(' .. string.format('%.0f', now - FRESH / 2))
if not most then
  call('ZREM', on, member)
  call('ZREM', off, member)
  return 0
end
local is_on, count = call('ZSCORE', on, member), call('ZCARD', on)
local listens = (is_on and count <= most) or (not is_on and count < most)
local mine = listens and on or off
if listens then call('ZREM', off, member) elseif is_on then call('ZREM', on, member) end
call('ZADD', mine, now, member)
call('PEXPIRE', mine, FRESH)
return listens and 1 or 0
