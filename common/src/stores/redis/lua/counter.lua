-- What a counter of dramatiq's holds, as a number and as it is; nothing where there is none. What is no number is somebody else's.
local function counter(name)
  local found = call('GET', name)
  if found and not tonumber(found) then
    error({ err = 'STORE GET\t' .. name .. '\tWRONGTYPE it holds no number' })
  end
  return tonumber(found), found
end
