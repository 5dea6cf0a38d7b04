-- How far a group is. ARGV: now, counter. Answers how many are left and how many have failed, or nothing.
local left = redis.pcall('GET', ARGV[2])
if type(left) == 'table' then
  if left.err:find('WRONGTYPE', 1, true) then return false end
  call('GET', ARGV[2])
end
left = tonumber(left)
if not left then return false end
-- Where Python has ended the last member, it leaves the counter as it was, and says so beside it.
local is_complete = left >= PARKED / 2 or (left == 1 and call('EXISTS', ARGV[2] .. '@events') == 1)
return { is_complete and 0 or left, call('BITCOUNT', ARGV[2] .. ':failed') }
