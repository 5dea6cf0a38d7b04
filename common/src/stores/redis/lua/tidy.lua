-- Looks through the registrations for some without a heartbeat: with claims they get one back, so that somebody finds them.
-- ARGV: now, cursor
-- Answers the next cursor.
call('ZREM', HEARTBEATS, '')
local page = call('HSCAN', RUST, ARGV[2], 'COUNT', CHUNK)
for i = 1, #page[2], 2 do
  local worker, queues = page[2][i], page[2][i + 1]
  -- Rust's workers are found by their signs of life among each other.
  local is_fleet = queues:sub(1, 1) == '@'
  if not call('ZSCORE', HEARTBEATS, worker) or not is_fleet and not call('ZSCORE', BEATS, worker) then
    local holds = 0
    -- A fleet is registered as @queue, and holds what is delayed as well.
    for queue in queues:gmatch('[^ @]+') do
      holds = holds + call('SCARD', claims(worker, queue)) + call('SCARD', claims(worker, queue .. '.DQ'))
    end
    if holds > 0 then
      call('ZADD', HEARTBEATS, 1, worker)
      if not is_fleet then call('ZADD', BEATS, 1, worker) end
    else
      call('ZREM', HEARTBEATS, worker)
      call('ZREM', BEATS, worker)
      call('HDEL', RUST, worker)
    end
  end
end
return page[1]
