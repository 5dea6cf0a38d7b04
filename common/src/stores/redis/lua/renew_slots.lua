-- Begins leases anew, on a full server as well: it keeps as many as there were. ARGV and answers: `each_slot`.
return each_slot(function(of, token, before, lease)
  call('ZADD', of.holders, 'XX', score(now + lease), token)
  undo('ZADD', of.holders, 'XX', score(before), token)
end)
