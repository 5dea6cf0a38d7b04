-- Dead letters whose end is still to be made.
-- ARGV: now, how many at most, queue*
-- Answers per letter: queue, name, reason, when it died, whether its body is brought, the body.
local left, room, answer = tonumber(ARGV[2]), ROOM, {}

local function take(queue)
  local unended, dead, gone = key(queue .. '@unended'), queue .. '.XQ', {}
  for _, name in ipairs(call('SRANDMEMBER', unended, left)) do
    local died = call('ZSCORE', key(dead), name)
    if died then
      local size = call('HSTRLEN', bodies(dead), name)
      local is_brought = size <= LARGEST
      if is_brought then room = room - size end
      if room < 0 and #answer > 0 then break end
      local body = is_brought and call('HGET', bodies(dead), name) or ''
      local reason = call('HGET', key(dead .. '@why'), name) or ''
      answer[#answer + 1] = { queue, name, reason, died, is_brought and 1 or 0, body }
      left = left - 1
    else
      -- Deleted by Python, or kept long enough.
      gone[#gone + 1] = name
    end
  end
  if #gone > 0 then call('SREM', unended, unpack(gone)) end
end

for at = 3, #ARGV do
  if left > 0 and room > 0 then take(ARGV[at]) end
end
return answer
