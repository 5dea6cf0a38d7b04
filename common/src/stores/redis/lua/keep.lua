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
