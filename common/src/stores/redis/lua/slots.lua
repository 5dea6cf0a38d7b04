-- Limits on what holds a slot at the same time: dramatiq's counter, and beside it who of this library's holds one, and until when. What
-- the counter has beyond them is held by others, who renew nothing: their slots are theirs until the counter's time is over.

-- How long the last number that was given with a slot is remembered after it, in milliseconds. One that is forgotten is followed by the
-- time, which is larger.
local REMEMBERED = 86400000

-- A key of ours beside one of theirs: on a cluster, in the same slot as that.
local function beside(name, what)
  if name:find('{[^}]+}') then return name .. what end
  return '{' .. name .. '}' .. what
end

-- What is known of a limit; what is over is taken off by `write`.
local function look_at(name, ttl, lease)
  local of = { name = name, holders = beside(name, '@holders'), ttl = ttl, lease = lease }
  local count
  count, of.before = counter(name)
  of.left = call('PTTL', name)
  of.over = call('ZCOUNT', of.holders, '-inf', score(now))
  of.held = call('ZCARD', of.holders) - of.over
  of.others = math.max((count or 0) - of.over - of.held, 0)
  of.is_endless = of.left == -1
  if of.is_endless then of.left = ttl end
  -- Those of ours outlive the counter's time, so it begins anew before it is over.
  if of.left < lease then of.others = 0 end
  return of
end

local function ends(of, token)
  local until_when = tonumber(call('ZSCORE', of.holders, token) or nil)
  return until_when and until_when > now and until_when
end

local function take(of, token)
  call('ZADD', of.holders, score(now + of.lease), token)
  undo('ZREM', of.holders, token)
  of.held = of.held + 1
end

local function write(of)
  local count = of.held + of.others
  -- Where others hold nothing, nothing has to be forgotten in time.
  local left = of.others > 0 and of.left or of.ttl
  local is_due = of.is_endless or (of.others == 0 and of.left < of.ttl / 2)
  if count == 0 then
    if of.before then call('DEL', of.name) end
  elseif is_due or tonumber(of.before) ~= count then
    call('SET', of.name, count, 'PX', score(left))
  else
    left = of.left
  end
  if of.before then undo('SET', of.name, of.before, 'PX', score(math.max(of.left, 1))) else undo('DEL', of.name) end
  call('PEXPIRE', of.holders, score(left))
  if of.over > 0 then call('ZREMRANGEBYSCORE', of.holders, '-inf', score(now)) end
end

-- Does something about slots. ARGV: now, then of each slot: the limit's key, time to live, lease, token. `change` has the limit, the token,
-- when its lease ends, and how long a new one lasts. Answers of each whether it was held.
local function each_slot(change)
  local limits, answers = {}, {}
  local ok, refusal = attempt(function()
    for i = 2, #ARGV, 4 do
      local name, ttl, lease, token = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2]), ARGV[i + 3]
      local of = limits[name]
      if not of then
        of = look_at(name, ttl, lease)
        -- A removal that removes nothing opens a full server.
        call('ZREM', of.holders, '')
        limits[name], limits[#limits + 1] = of, of
      end
      local before = ends(of, token)
      if before then change(of, token, before, lease) end
      answers[#answers + 1] = before and 1 or 0
    end
    for _, of in ipairs(limits) do write(of) end
  end)
  if not ok then error({ err = refusal }) end
  return answers
end
