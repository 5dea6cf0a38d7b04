-- Looks through a page of one hash of bodies: for names of a pattern, or for bodies with a text in them.
-- ARGV: now, which hash (queue, with .DQ or .XQ), cursor, pattern or '', text, how many bodies are looked at, at most
-- Answers: the next cursor, how many were looked at, the names.
local SAMPLE = 8
local hash, pattern, text = bodies(ARGV[2]), ARGV[4], ARGV[5]
local sample, size = call('HRANDFIELD', hash, SAMPLE), 0
if #sample == 0 then return { '0', 0, {} } end
for _, name in ipairs(sample) do size = size + call('HSTRLEN', hash, name) end
-- The server copies all that it passes over, bodies as well, so the larger they are, the fewer make a page.
local count = math.max(1, math.min(CHUNK, math.floor(ROOM * #sample / math.max(size, 1))))

local names = {}
if pattern ~= '' then
  local page = call('HSCAN', hash, ARGV[3], 'MATCH', pattern, 'COUNT', count)
  for i = 1, #page[2], 2 do names[#names + 1] = page[2][i] end
  return { page[1], #names, names }
end
local most = tonumber(ARGV[6])
local page = call('HSCAN', hash, ARGV[3], 'COUNT', math.min(count, most))
local looked = math.min(#page[2] / 2, most)
for i = 1, 2 * looked, 2 do
  if page[2][i + 1]:find(text, 1, true) then names[#names + 1] = page[2][i] end
end
return { page[1], looked, names }
