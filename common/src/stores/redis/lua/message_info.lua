-- Where the message of one name lies in one hash of bodies, as far as one step can tell.
-- ARGV: now, queue, fleet, which hash ('', '.DQ' or '.XQ'), name, up to how many that go before it are counted
-- Answers as whereabouts.lua does.
return whereabouts(ARGV[2], ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6]))
