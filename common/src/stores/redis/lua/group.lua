-- How far a group is. ARGV: now, counter. Answers how many are left and how many have failed, or nothing.
local left = redis.pcall('GET', ARGV[2])
if type(left) == 'table' then
  if left.err:find('WRONGTYPE', 1, true) then return false end
  call('GET', ARGV[2])
end
left = tonumber(left)
if not left then return false end
return { left < PARKED / 2 and left or 0, call('BITCOUNT', ARGV[2] .. ':failed') }
