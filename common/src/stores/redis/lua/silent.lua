-- Shows silent Rust workers, where there are more of them than a beat shows.
-- ARGV: now, interval, offset among them, how many
-- Answers (worker, its last sign of life)*
return (silent(BEATS, tonumber(ARGV[2]), ARGV[3], ARGV[4]))
