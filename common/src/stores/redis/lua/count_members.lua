-- Counts ends of members, and nothing else. ARGV: now, then of each: counter, time to live, member, end (as in finish.lua)
-- Answers of each 0 where nothing is known of its group, 1 where it is known, 2 where this was the last one, 3 where it was the last one
-- before already; or a refusal as text.

-- Which member was the last one, for it to be known again: its number, or nothing where it has none.
local function last_of(group)
  if group.last == nil then group.last = call('GET', group.name .. ':last') end
  return group.last
end

local function count_all(members)
  local groups, answers = {}, {}
  for i, member in ipairs(members) do
    local is_known, is_last = count(groups, member)
    local group, number = look_at(groups, member.group), member.number
    local name = number and number < (group.size or 0) and score(number) or ''
    if is_last then group.last = name end
    if not is_known then
      answers[i] = 0
    elseif is_last then
      answers[i] = 2
    elseif group.left >= PARKED / 2 and last_of(group) == name then
      answers[i] = 3
    else
      answers[i] = 1
    end
  end
  write_counts(groups)
  for _, group in ipairs(groups) do
    if group.is_complete then
      call('SET', group.name .. ':last', group.last, 'PX', group.ttl)
      undo('DEL', group.name .. ':last')
    end
  end
  return answers
end

local members = {}
for at = 2, #ARGV, 4 do
  local group = { counter = ARGV[at], ttl = ARGV[at + 1] }
  members[#members + 1] = { group = group, number = tonumber(ARGV[at + 2]), ends = ARGV[at + 3] }
end

-- All in one step; if that is refused, each by itself, to see which.
local ok, together = attempt(count_all, members)
if ok then return together end
local answers = {}
for i, member in ipairs(members) do
  local is_done, alone = attempt(count_all, { member })
  answers[i] = is_done and alone[1] or alone
end
return answers
