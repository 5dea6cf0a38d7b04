-- Keeps values, each as a whole or not at all. ARGV: now, then of each: key, time to live, value
-- Answers of each 1, or a refusal as text.
local answers = {}
for at = 2, #ARGV, 3 do
  local _, answer = attempt(function()
    keep({ { key = ARGV[at], ttl = ARGV[at + 1], value = ARGV[at + 2] } })
    return 1
  end)
  answers[#answers + 1] = answer
end
return answers
