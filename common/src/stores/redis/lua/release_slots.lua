-- Gives slots back. ARGV: now, then of each slot: the limit's key, time to live, lease, token. Answers of each whether it was held.
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
    if before then
      call('ZREM', of.holders, token)
      undo('ZADD', of.holders, score(before), token)
      of.held = of.held - 1
    end
    answers[#answers + 1] = before and 1 or 0
  end
  for _, of in ipairs(limits) do write(of) end
end)
if not ok then error({ err = refusal }) end
return answers
