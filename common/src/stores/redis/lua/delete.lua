-- Deletes dead letters.
-- ARGV: now, queue, name*
-- Answers per name whether it was there.
local dead = ARGV[2] .. '.XQ'
local index, why = key(dead), key(dead .. '@why')
-- A removal that removes nothing shows that removing is allowed.
call('HDEL', bodies(dead), '')
call('HDEL', why, '')
local answers = {}
for at = 3, #ARGV do
  local name = ARGV[at]
  answers[#answers + 1] = call('ZREM', index, name)
  if answers[#answers] == 1 then
    call('HDEL', bodies(dead), name)
    call('HDEL', why, name)
    redis.pcall('SREM', key(ARGV[2] .. '@unended'), name)
  end
end
return answers
