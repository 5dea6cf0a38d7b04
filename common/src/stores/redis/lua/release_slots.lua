-- Gives slots back. ARGV and answers: `each_slot`.
return each_slot(function(of, token, before)
  call('ZREM', of.holders, token)
  undo('ZADD', of.holders, score(before), token)
  of.held = of.held - 1
end)
