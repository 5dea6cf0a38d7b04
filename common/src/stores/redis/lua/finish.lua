-- Ends claims, each as a whole or not at all, and only while the worker holds the message: its claim is there, and the body.
-- ARGV: now, worker, how many queues with plain acknowledgements, per queue: name, count, id*
--   then the other endings: queue, fleet, id, kind, for a dead one also (id, body, reason), then how many puts,
--   per put: queue, fleet, id, due, priority, body
-- Answers per queue one number an id, then one answer an ending: 1 it happened, 0 unknown, -1 an id is in use by other bytes
-- (nothing happened), or a refusal as text.
local worker = ARGV[2]

local function acknowledge(queue, from, to)
  local mine, hash = claims(worker, queue), bodies(queue)
  -- A removal that removes nothing opens a full server for the rest of the script, and shows that removing is allowed.
  call('SREM', mine, '')
  local is_mine = call('SMISMEMBER', mine, unpack(ARGV, from, to))
  local answers = {}
  for i = from, to do
    local n = i - from + 1
    answers[n] = is_mine[n] == 1 and call('HDEL', hash, ARGV[i]) or 0
  end
  call('SREM', mine, unpack(ARGV, from, to))
  redis.pcall('HDEL', key(queue .. '@crashes'), unpack(ARGV, from, to))
  return answers
end

-- Whether the id of a new body is free: nil if so, else whether the same bytes have it.
local function in_use(hash, id, body)
  local found = call('HGET', hash, id)
  if found then return found == body and 'same' or 'other' end
end

local function finish(ending)
  local queue, fleet, id = ending.queue, ending.fleet, ending.id
  local mine, hash = claims(worker, queue), bodies(queue)
  if call('SISMEMBER', mine, id) == 0 then return 0 end
  -- What will have to be removed, or taken back, has to be removable: shown before anything is written.
  call('SREM', mine, '')
  if ending.kind ~= 'head' then call('HDEL', hash, '') end
  local body = call('HGET', hash, id)
  if not body then
    call('SREM', mine, id)
    return 0
  end

  local batch = {}
  for _, new in ipairs(ending.puts) do
    local used = in_use(bodies(new.queue), new.id, new.body) or in_use(bodies(new.queue .. '.DQ'), new.id, new.body)
    if used == 'other' then return -1 end
    if not used then put(batch, new.queue, new.fleet, new.id, new.due, new.priority, new.body) end
  end
  local dead = ending.dead
  if dead then
    local used = in_use(bodies(queue .. '.XQ'), dead.id, dead.body)
    if used == 'other' then return -1 end
    if not used then bury(batch, queue, dead.id, dead.body, dead.reason) end
  end
  if ending.kind == 'head' then
    local _, priority = read(body)
    make_ready(batch, queue, fleet, id, priority, -1)
  end

  run(batch)
  -- The claim goes last: whatever fails before, the message is still this worker's.
  call('SREM', mine, id)
  undo('SADD', mine, id)
  if ending.kind ~= 'head' then
    call('HDEL', hash, id)
    redis.pcall('HDEL', key(queue .. '@crashes'), id)
  end
  return 1
end

local answers = {}
local at = 4
for _ = 1, tonumber(ARGV[3]) do
  local count = tonumber(ARGV[at + 1])
  local _, answer = attempt(acknowledge, ARGV[at], at + 2, at + 1 + count)
  answers[#answers + 1] = answer
  at = at + 2 + count
end

while ARGV[at] do
  local ending = { queue = ARGV[at], fleet = ARGV[at + 1], id = ARGV[at + 2], kind = ARGV[at + 3], puts = {} }
  at = at + 4
  if ending.kind == 'dead' then
    ending.dead = { id = ARGV[at], body = ARGV[at + 1], reason = ARGV[at + 2] }
    at = at + 3
  end
  local count = tonumber(ARGV[at])
  at = at + 1
  for i = 1, count do
    ending.puts[i] = {
      queue = ARGV[at],
      fleet = ARGV[at + 1],
      id = ARGV[at + 2],
      due = tonumber(ARGV[at + 3]),
      priority = tonumber(ARGV[at + 4]),
      body = ARGV[at + 5],
    }
    at = at + 6
  end
  local _, answer = attempt(finish, ending)
  answers[#answers + 1] = answer
end
return answers
