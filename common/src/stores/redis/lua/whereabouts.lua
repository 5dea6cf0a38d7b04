-- Where the message of one name lies in one hash of bodies (which: '', '.DQ' or '.XQ'), as far as a look at the places of messages
-- tells, and up to how many (limit) that go before it are counted.
-- Answers nothing where it is not there, else: body, how many workers died while they ran it, then
--   'ready', how many go before it or '' for too many · 'delayed', when it is due · 'dead', when it died, why or ''
--   'elsewhere', when it is due, whether its list is longer than what was looked at: some worker holds it, or it lies far back
local function whereabouts(queue, fleet, which, name, limit)
  local body = call('HGET', bodies(queue .. which), name)
  if not body then return {} end

  if which == '.XQ' then
    local died = call('ZSCORE', key(queue .. which), name)
    if not died then return {} end
    return { body, 0, 'dead', died, call('HGET', key(queue .. '.XQ@why'), name) or '' }
  end

  local crashes = deaths_in(call('HGET', key(queue .. '@crashes'), name)) or 0
  local list, theirs = key(queue .. which), claims(fleet, queue .. which)
  local is_held = call('SISMEMBER', theirs, name) == 1
  local listed = not is_held and call('LPOS', list, name, 'MAXLEN', limit + 1)

  if which == '.DQ' then
    local due, priority = read(body)
    if is_held then due = tonumber(call('ZSCORE', key(queue .. '@due'), to_entry(name, priority))) or due end
    due = score(due)
    if is_held or listed then return { body, crashes, 'delayed', due } end
    return { body, crashes, 'elsewhere', due, call('LLEN', list) > limit + 1 and 1 or 0 }
  end

  -- In the order in which they run: held below 0, the list, held above 0.
  local held = key(queue .. '@held')
  local first = call('ZCOUNT', held, '-inf', '(0')
  local ahead
  if is_held then
    -- An entry that got lost comes back with the next beat, nobody knows where.
    ahead = call('ZRANK', held, name) or limit + 1
    if ahead >= first then ahead = ahead + call('LLEN', list) end
  elseif listed then
    ahead = first + listed
  else
    return { body, crashes, 'elsewhere', '', call('LLEN', list) > limit + 1 and 1 or 0 }
  end
  return { body, crashes, 'ready', ahead <= limit and ahead or '' }
end
