-- Ends claims, each as a whole or not at all, and only while the worker holds the message: its claim is there, and the body.
-- ARGV: now, worker, how many queues with plain acknowledgements, per queue: name, count, id*
--   how many queues with acknowledgements that keep one result each, per queue: name, count, (id, key, time to live, value)*
--   how many groups, per group: counter, time to live, how many puts, per put: queue, fleet, id, due, priority, body
--   then the other completions: queue, fleet, id, kind, for a dead one also (id, body, reason), then how many puts, and these,
--   how many results, per result: key, time to live, value; how many counts, per count: group, member, end
-- Ends of members: 'done', 'failed' (noted), 'over' (failed, and counts).
-- Kinds: 'ack', 'retry' (gone, and its first put is the message as it goes on), 'defer' (the same, but it was not run, so what is
--   noted of it goes with it), 'release', 'dead_letter', 'unended' (the same, and no worker has made its end), 'dead' (it is dead
--   already, and its end was still to be made).
-- Answers per queue one answer an id, then one answer a completion: 1 it happened, 2 the same but nothing is known
-- of its group, 0 unknown, -1 an id is in use by other bytes
-- (nothing happened), -2 its turn did not come (nothing happened), a list with the reason why it must not run again (nothing
-- happened), or a refusal as text.
local worker = ARGV[2]

-- What is removed where it is not there: nobody's id, and the empty one may be somebody's.
local NOBODY = '\0nobody'

local remove = redis.pcall
-- Ends what is this worker's, body and claim. Answers 1 where it was there, and 0 where it was not.
local function remove_all(queue, ids, is_mine)
  local mine, hash = claims(worker, queue), bodies(queue)
  local answers, done = {}, {}
  for i, id in ipairs(ids) do
    local is_there = is_mine[i] == 1 and remove('HDEL', hash, id) or 0
    -- Once more with the wrapper, which names the refusal.
    if type(is_there) == 'table' then is_there = call('HDEL', hash, id) end
    answers[i] = is_there
    if is_there == 1 then done[#done + 1] = id end
  end
  call('SREM', mine, unpack(ids))
  -- Whoever holds a message by now is not spared what was noted of it. Hardly ever is there anything, so that one look must do.
  local crashes, cancelled = key(queue .. '@crashes'), key(queue .. '@cancelled')
  if #done > 0 and redis.pcall('EXISTS', crashes, cancelled) ~= 0 then
    redis.pcall('HDEL', crashes, unpack(done))
    redis.pcall('HDEL', cancelled, unpack(done))
  end
  return answers
end

-- Which of these are this worker's. A removal that removes nothing opens a full server for the rest of the script, and shows that
-- removing is allowed.
local function are_mine(queue, ids)
  local mine = claims(worker, queue)
  call('SREM', mine, NOBODY)
  return call('SMISMEMBER', mine, unpack(ids))
end

local function acknowledge(queue, ids)
  return remove_all(queue, ids, are_mine(queue, ids))
end

-- The same with one result each, from this argument on: two commands more a message, and no look at what lies under its key or at
-- its body. Nothing where a key is not free.
local function acknowledge_and_keep(queue, ids, from)
  local is_mine = are_mine(queue, ids)
  local push, expire, written = redis.pcall, redis.pcall, {}
  for i in ipairs(ids) do
    if is_mine[i] == 1 then
      local at = from + 4 * i
      local name = ARGV[at - 3]
      local length = push('LPUSH', name, ARGV[at - 1])
      if length == 1 then written[#written + 1] = name end
      if length ~= 1 or expire('PEXPIRE', name, ARGV[at - 2]) ~= 1 then
        if length ~= 1 and type(length) == 'number' then redis.pcall('LPOP', name) end
        if #written > 0 then redis.pcall('DEL', unpack(written)) end
        return nil
      end
    end
  end
  if #written > 0 then undo('DEL', unpack(written)) end
  local answers = remove_all(queue, ids, is_mine)
  for i, answer in ipairs(answers) do
    if answer == 0 and is_mine[i] == 1 then redis.pcall('DEL', ARGV[from + 4 * i - 3]) end
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

-- Puts what comes after a group.
local function put_next(group, writes)
  for _, new in ipairs(group.puts) do
    -- One that lies there is the same one, as far as it has come.
    if call('HEXISTS', bodies(new.queue), new.id) == 0 and call('HEXISTS', bodies(new.queue .. '.DQ'), new.id) == 0 then
      put(writes, new.queue, new.fleet, new.id, new.due, new.priority, new.body)
    end
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
  local groups = {}
  for i, completion in ipairs(completions) do
    for _, member in ipairs(answers[i] == 1 and completion.counts or {}) do
      local is_known, is_last = count(groups, member)
      if not is_known then answers[i] = 2 end
      if is_last then put_next(member.group, writes) end
    end
  end
  -- Removals cannot be taken back, so they come last, and are shown to be allowed before anything is written.
  for _, removal in ipairs(removals) do call(removal[1], removal[2], NOBODY) end
  run(writes)
  write_counts(groups)
  for i, completion in ipairs(completions) do
    if answers[i] == 1 or answers[i] == 2 then keep(completion.results) end
  end
  for _, removal in ipairs(removals) do call(unpack(removal)) end
  return answers
end

-- All in one step; if that is refused, each by itself, to see which.
local function finish_all(completions)
  make_room()
  local ok, together = attempt(finish, completions)
  if ok then return together end
  make_room()
  local answers = {}
  for i, completion in ipairs(completions) do
    local is_done, alone = attempt(finish, { completion })
    answers[i] = is_done and alone[1] or alone
  end
  return answers
end

local at = 3
local function take()
  at = at + 1
  return ARGV[at - 1]
end

local answers = {}
for _ = 1, tonumber(take()) do
  local queue, count = take(), tonumber(take())
  local _, answer = attempt(acknowledge, queue, { unpack(ARGV, at, at + count - 1) })
  answers[#answers + 1] = answer
  at = at + count
end

for _ = 1, tonumber(take()) do
  local queue, count = take(), tonumber(take())
  local ids, from = {}, at
  for i = 1, count do ids[i] = ARGV[from + 4 * i - 4] end
  at = at + 4 * count
  local _, answer = attempt(acknowledge_and_keep, queue, ids, from)
  if type(answer) ~= 'table' then
    local completions = {}
    for i, id in ipairs(ids) do
      local result = { key = ARGV[from + 4 * i - 3], ttl = ARGV[from + 4 * i - 2], value = ARGV[from + 4 * i - 1] }
      completions[i] = { queue = queue, id = id, kind = 'ack', puts = {}, results = { result }, counts = {} }
    end
    answer = finish_all(completions)
  end
  answers[#answers + 1] = answer
end

-- In the order in which they are sent.
local function take_put()
  return {
    queue = take(),
    fleet = take(),
    id = take(),
    due = tonumber(take()),
    priority = tonumber(take()),
    body = take(),
  }
end

local groups = {}
for i = 1, tonumber(take()) do
  local group = { counter = take(), ttl = take(), puts = {} }
  for j = 1, tonumber(take()) do group.puts[j] = take_put() end
  groups[i] = group
end

local completions = {}
while ARGV[at] do
  local completion = { queue = take(), fleet = take(), id = take(), kind = take(), puts = {}, results = {}, counts = {} }
  if completion.kind == 'dead_letter' or completion.kind == 'unended' then
    local is_unended = completion.kind == 'unended'
    completion.kind = 'dead_letter'
    completion.dead = { id = take(), body = take(), reason = take(), is_unended = is_unended }
  end
  for i = 1, tonumber(take()) do completion.puts[i] = take_put() end
  for i = 1, tonumber(take()) do completion.results[i] = { key = take(), ttl = take(), value = take() } end
  for i = 1, tonumber(take()) do
    completion.counts[i] = { group = groups[tonumber(take())], number = tonumber(take()), ends = take() }
  end
  completions[#completions + 1] = completion
end

if #completions == 0 then return answers end
for _, answer in ipairs(finish_all(completions)) do answers[#answers + 1] = answer end
return answers
