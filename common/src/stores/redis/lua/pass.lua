-- Counts what is about to happen, where its limit is not reached. ARGV: now, the limit's key, limit, `bucket` or `seconds`, and how long.
-- Answers nothing, or when there will be room.
local name, limit, kind, length = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])

local function pass(own, ttl)
  call('SET', own, (counter(own) or 0) + 1, 'PX', score(ttl))
  return false
end

local function bucket()
  local start = now - now % length
  local own = name .. '@' .. score(start)
  if (counter(own) or 0) >= limit then return start + length end
  return pass(own, length)
end

local function window()
  local last, counts, sum = math.floor(now / 1000), {}, 0
  for first = last - length + 1, last, CHUNK do
    local names = {}
    for second = first, math.min(first + CHUNK - 1, last) do names[#names + 1] = name .. '@' .. score(second) end
    for i, count in ipairs(call('MGET', unpack(names))) do
      count = tonumber(count) or 0
      sum = sum + count
      if count > 0 then counts[#counts + 1] = { first + i - 1, count } end
    end
  end
  local again
  for _, counted in ipairs(counts) do
    if sum < limit then break end
    sum = sum - counted[2]
    again = (counted[1] + length) * 1000
  end
  return again or pass(name .. '@' .. score(last), length * 1000)
end

local ok, answer = attempt(kind == 'bucket' and bucket or window)
if not ok then error({ err = answer }) end
return answer
