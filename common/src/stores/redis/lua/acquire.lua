-- Takes a slot of a limit. ARGV: now, limit's key, limit, time to live, lease, token. Answers 1 and a number that grows, or 0 and when
-- one may be free though nobody gives it back.
local name, limit, ttl, lease, token = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6]
local ok, answer = attempt(function()
  local of = look_at(name, ttl, lease)
  if of.held + of.others >= limit then
    local first = call('ZRANGEBYSCORE', of.holders, '(' .. score(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
    local again = tonumber(first) or math.huge
    if of.others > 0 then again = math.min(again, now + of.left - lease + 1) end
    write(of)
    return { 0, again }
  end
  local fence = beside(name, '@fence')
  local last = call('GET', fence)
  local number = math.max((tonumber(last) or 0) + 1, now * 1000)
  call('SET', fence, score(number), 'PX', score(math.max(ttl, REMEMBERED)))
  take(of, token)
  write(of)
  return { 1, number }
end)
if not ok then error({ err = answer }) end
return answer
