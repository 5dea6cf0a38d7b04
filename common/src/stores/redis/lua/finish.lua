-- Ends claims, each as a whole or not at all, and only while the worker holds the message: its claim is there, and the body.
-- ARGV: now, worker, how many queues with plain acknowledgements, per queue: name, count, id*
--   then the other completions: queue, fleet, id, kind, for a dead one also (id, body, reason), then how many puts,
--   per put: queue, fleet, id, due, priority, body
-- Kinds: 'ack', 'retry' (gone, and its first put is the message as it goes on), 'defer' (the same, but it was not run, so what is
--   noted of it goes with it), 'release', 'dead_letter', 'unended' (the same, and no worker has made its end), 'dead' (it is dead
--   already, and its end was still to be made).
-- Answers per queue one number an id, then one answer a completion: 1 it happened, 0 unknown, -1 an id is in use by other bytes
-- (nothing happened), -2 its turn did not come (nothing happened), a list with the reason why it must not run again (nothing
-- happened), or a refusal as text.
local worker = ARGV[2]

-- What is removed where it is not there: nobody's id, and the empty one may be somebody's.
local NOBODY = '\0nobody'

local remove = redis.pcall
local function acknowledge(queue, from, to)
  local mine, hash = claims(worker, queue), bodies(queue)
  -- A removal that removes nothing opens a full server for the rest of the script, and shows that removing is allowed.
  call('SREM', mine, NOBODY)
  local is_mine = call('SMISMEMBER', mine, unpack(ARGV, from, to))
  local answers, done = {}, {}
  for i = from, to do
    local n, id = i - from + 1, ARGV[i]
    local is_there = is_mine[n] == 1 and remove('HDEL', hash, id) or 0
    -- Once more with the wrapper, which names the refusal.
    if type(is_there) == 'table' then is_there = call('HDEL', hash, id) end
    answers[n] = is_there
    if is_there == 1 then done[#done + 1] = id end
  end
  call('SREM', mine, unpack(ARGV, from, to))
  -- Whoever holds a message by now is not spared what was noted of it. Hardly ever is there anything, so that one look must do.
  local crashes, cancelled = key(queue .. '@crashes'), key(queue .. '@cancelled')
  if #done > 0 and redis.pcall('EXISTS', crashes, cancelled) ~= 0 then
    redis.pcall('HDEL', crashes, unpack(done))
    redis.pcall('HDEL', cancelled, unpack(done))
  end
  return answers
end

-- What is asked of each key, so that many completions need few commands.
local function ask(asked, name, id)
  if not asked[name] then
    asked[name] = {}
    asked[#asked + 1] = name
  end
  local ids = asked[name]
  ids[#ids + 1] = id
end

-- The answers by key and id.
local function look(command, asked)
  local answers = {}
  for _, name in ipairs(asked) do
    local ids, found = asked[name], {}
    for from = 1, #ids, CHUNK do
      local to = math.min(from + CHUNK - 1, #ids)
      local values = call(command, name, unpack(ids, from, to))
      for i, value in ipairs(values) do found[ids[from + i - 1]] = value end
    end
    answers[name] = found
  end
  return answers
end

-- What room is left for bodies that only this script looks at; the first one always has some. After the first one that has none,
-- none has: what is requeued keeps its order.
local room, is_begun, is_full
local function make_room() room, is_begun, is_full = ROOM, false, false end
local function has_room(size)
  is_full = is_full or (is_begun and size > room)
  if is_full then return false end
  room, is_begun = room - size, true
  return true
end

-- What a completion's id has to be in, to be this worker's.
local function hold_of(completion)
  if completion.kind == 'dead' then return key(completion.queue .. '@unended') end
  return claims(worker, completion.queue)
end

-- Looks whether a message is there. Of what is requeued the body is read, for its priority; what goes on, or is dead, comes with
-- about as many bytes as are read here. All others may be large, and stay where they are.
local function seek(completion, asked)
  local hash, id, kind = bodies(completion.queue), completion.id, completion.kind
  completion.is_there = false
  if kind == 'ack' then
    completion.is_there = call('HEXISTS', hash, id) == 1
    return
  end
  if kind == 'dead' then
    completion.is_there = call('HEXISTS', bodies(completion.queue .. '.XQ'), id) == 1
    return
  end
  if kind == 'release' then
    local size = call('HSTRLEN', hash, id)
    -- It will not be run, so it goes back unread.
    completion.is_unread = size > LARGEST
    completion.has_no_room = not has_room(completion.is_unread and 0 or size)
    if completion.is_unread or completion.has_no_room then
      completion.is_there = true
      return
    end
  end
  ask(asked, hash, id)
end

-- Gathers what a completion writes and removes: 1, or 0 where the message is not this worker's, or -1 where an id is in use, or -2
-- where there is no room for its body, or the reason why it must not run again.
local function plan(completion, is_mine, found, writes, removals)
  local queue, id = completion.queue, completion.id
  local mine, hash = hold_of(completion), bodies(queue)
  if is_mine[mine][id] ~= 1 then return 0 end
  if completion.has_no_room then return -2 end
  local body = found[hash] and found[hash][id]
  if not body and not completion.is_there then
    gather(removals, 'SREM', mine, id, id)
    return 0
  end
  local cancelled = key(queue .. '@cancelled')
  local kind, dead = completion.kind, completion.dead
  local reason = kind ~= 'dead' and found[cancelled][id]
  if reason then
    -- Only the caller has the message as it was before it was to go on.
    if kind == 'retry' or kind == 'defer' then return { reason } end
    if kind == 'release' then
      if completion.is_unread then body = call('HGET', hash, id) end
      kind, dead = 'dead_letter', { id = free_letter(queue, id), body = body, reason = reason, is_unended = true }
    end
  end

  local function use_of(name, new)
    local there = found[name][new.id]
    return there and (is_same(there, new.body) and 'same' or 'other')
  end
  local puts = {}
  for _, new in ipairs(completion.puts) do
    local used = use_of(bodies(new.queue), new) or use_of(bodies(new.queue .. '.DQ'), new)
    if used == 'other' then return -1 end
    if not used then puts[#puts + 1] = new end
  end
  local is_dead_lettered = completion.dead and use_of(bodies(queue .. '.XQ'), dead)
  if is_dead_lettered == 'other' then return -1 end

  if reason then gather(removals, 'HDEL', cancelled, id, id) end
  for _, new in ipairs(puts) do
    put(writes, new.queue, new.fleet, new.id, new.due, new.priority, new.body)
    found[bodies(new.queue)][new.id] = new.body
  end
  local note = kind == 'defer' and found[key(queue .. '@crashes')][id]
  if note then
    local _, noted = deaths_in(note)
    local own = completion.puts[1]
    gather(writes, 'HSET', key(own.queue .. '@crashes'), own.id, own.id, noted or SPARED)
  end
  if dead and not is_dead_lettered then dead_letter(writes, queue, dead.id, dead.body, dead.reason, dead.is_unended) end
  if kind == 'release' then
    local _, priority = read(body or '')
    make_ready(writes, queue, completion.fleet, id, priority, -1)
  elseif kind ~= 'dead' then
    gather(removals, 'HDEL', hash, id, id)
    gather(removals, 'HDEL', key(queue .. '@crashes'), id, id)
  end
  gather(removals, 'SREM', mine, id, id)
  is_mine[mine][id] = 0
  return 1
end

-- Results are lists of one, as dramatiq reads them. What lay there before comes back if the step is refused.
local function keep(results)
  for _, result in ipairs(results) do
    local name = result.key
    local old = redis.pcall('LRANGE', name, 0, -1)
    if old.err or #old > 0 then
      local left = call('PTTL', name)
      -- Shown to be allowed before it is needed to put the old one back.
      if left >= 0 then call('PEXPIRE', name, left) end
      call('DEL', name)
      if not old.err then
        if left >= 0 then undo('PEXPIRE', name, left) end
        undo('RPUSH', name, unpack(old))
      end
    end
    call('LPUSH', name, result.value)
    undo('DEL', name)
    call('PEXPIRE', name, result.ttl)
  end
end

local function finish(completions)
  local asked_claims, asked_bodies = {}, {}
  for _, completion in ipairs(completions) do
    local queue = completion.queue
    ask(asked_claims, hold_of(completion), completion.id)
    ask(asked_bodies, key(queue .. '@cancelled'), completion.id)
    if completion.kind == 'defer' then ask(asked_bodies, key(queue .. '@crashes'), completion.id) end
    for _, new in ipairs(completion.puts) do
      ask(asked_bodies, bodies(new.queue), new.id)
      ask(asked_bodies, bodies(new.queue .. '.DQ'), new.id)
    end
    if completion.dead then ask(asked_bodies, bodies(queue .. '.XQ'), completion.dead.id) end
  end
  local is_mine = look('SMISMEMBER', asked_claims)
  for _, completion in ipairs(completions) do
    if is_mine[hold_of(completion)][completion.id] == 1 then seek(completion, asked_bodies) end
  end
  local found = look('HMGET', asked_bodies)
  local answers, writes, removals = {}, {}, {}
  for i, completion in ipairs(completions) do answers[i] = plan(completion, is_mine, found, writes, removals) end
  -- Removals cannot be taken back, so they come last, and are shown to be allowed before anything is written.
  for _, removal in ipairs(removals) do call(removal[1], removal[2], NOBODY) end
  run(writes)
  for i, completion in ipairs(completions) do
    if answers[i] == 1 then keep(completion.results) end
  end
  for _, removal in ipairs(removals) do call(unpack(removal)) end
  return answers
end

local answers = {}
local at = 4
for _ = 1, tonumber(ARGV[3]) do
  local count = tonumber(ARGV[at + 1])
  local _, answer = attempt(acknowledge, ARGV[at], at + 2, at + 1 + count)
  answers[#answers + 1] = answer
  at = at + 2 + count
end

local completions = {}
while ARGV[at] do
  local completion = { queue = ARGV[at], fleet = ARGV[at + 1], id = ARGV[at + 2], kind = ARGV[at + 3], puts = {}, results = {} }
  at = at + 4
  if completion.kind == 'dead_letter' or completion.kind == 'unended' then
    local is_unended = completion.kind == 'unended'
    completion.kind = 'dead_letter'
    completion.dead = { id = ARGV[at], body = ARGV[at + 1], reason = ARGV[at + 2], is_unended = is_unended }
    at = at + 3
  end
  local count = tonumber(ARGV[at])
  at = at + 1
  for i = 1, count do
    completion.puts[i] = {
      queue = ARGV[at],
      fleet = ARGV[at + 1],
      id = ARGV[at + 2],
      due = tonumber(ARGV[at + 3]),
      priority = tonumber(ARGV[at + 4]),
      body = ARGV[at + 5],
    }
    at = at + 6
  end
  count = tonumber(ARGV[at])
  at = at + 1
  for i = 1, count do
    completion.results[i] = { key = ARGV[at], ttl = ARGV[at + 1], value = ARGV[at + 2] }
    at = at + 3
  end
  completions[#completions + 1] = completion
end

if #completions == 0 then return answers end

-- All in one step; if that is refused, each by itself, to see which.
make_room()
local ok, together = attempt(finish, completions)
if not ok then make_room() end
for i, completion in ipairs(completions) do
  local answer = together[i]
  if not ok then
    local is_done, alone = attempt(finish, { completion })
    answer = is_done and alone[1] or alone
  end
  answers[#answers + 1] = answer
end
return answers
