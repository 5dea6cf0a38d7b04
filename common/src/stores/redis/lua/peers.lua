-- Who has shown no sign of life for an interval, or runs ahead by one; reading everybody would cost n squared.

-- At most so many are shown at once.
local PAGE = 100

-- Whether there is anybody, by the first one and the last one: mostly there is not.
local function is_anybody_silent(lives, interval)
  local first, last = call('ZRANGE', lives, 0, 0, 'WITHSCORES'), call('ZRANGE', lives, 0, 0, 'REV', 'WITHSCORES')
  return (tonumber(first[2]) or now) < now - interval or (tonumber(last[2]) or now) > now + interval
end

-- Some of a sorted set of signs of life: those that are too old, from an offset on, and the first of those that come too early.
-- Answers (who, when)*, and how many of them are too old.
local function silent(lives, interval, offset, count)
  local found = call('ZRANGEBYSCORE', lives, '-inf', '(' .. score(now - interval), 'WITHSCORES', 'LIMIT', offset, count)
  local old = #found / 2
  local ahead = call('ZRANGEBYSCORE', lives, '(' .. score(now + interval), '+inf', 'WITHSCORES', 'LIMIT', 0, PAGE)
  for _, part in ipairs(ahead) do found[#found + 1] = part end
  return found, old
end
