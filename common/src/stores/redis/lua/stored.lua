-- What is kept under some keys. ARGV: now, key*. Answers in their order; nothing where nothing is.
local answers = {}
for i = 2, #ARGV do answers[i - 1] = call('LINDEX', ARGV[i], 0) end
return answers
