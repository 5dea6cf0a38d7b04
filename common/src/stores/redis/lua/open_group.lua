-- Opens a group: its counter, as dramatiq has it, and beside it a bit for each member that has counted, allocated as a whole.
-- ARGV: now, counter, members, time to live. Answers 1, or 0 where there is one already.
local counter, members, ttl = ARGV[2], ARGV[3], ARGV[4]
local seen = counter .. ':seen'
local ok, answer = attempt(function()
  if not call('SET', counter, members, 'PX', ttl, 'NX') then return 0 end
  undo('DEL', counter)
  call('DEL', seen)
  call('SETBIT', seen, members - 1, 0)
  undo('DEL', seen)
  call('PEXPIRE', seen, ttl)
  return 1
end)
if not ok then error({ err = answer }) end
return answer
