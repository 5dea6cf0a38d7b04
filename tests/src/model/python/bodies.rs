//! What lies in the keys that both languages know, and whether dramatiq's rules lead to it.

use super::Script;
use redis::FromRedisValue;

/// Goes through the lists `ARGV`, of the namespace `KEYS[1]`. A name leads to its body from its list, or from the claims of somebody
/// who shows signs of life.
const BODIES: &str = r"
local living, found = redis.call('ZRANGE', KEYS[1] .. ':__heartbeats__', 0, -1), {}
for _, list in ipairs(ARGV) do
    local key, led_to = KEYS[1] .. ':' .. list, {}
    local names = { redis.call('LRANGE', key, 0, -1) }
    for _, worker in ipairs(living) do
        table.insert(names, redis.call('SMEMBERS', KEYS[1] .. ':__acks__.' .. worker .. '.' .. list))
    end
    for _, some in ipairs(names) do
        for _, name in ipairs(some) do led_to[name] = true end
    end
    local bodies = redis.call('HGETALL', key .. '.msgs')
    for at = 1, #bodies, 2 do
        table.insert(found, { list, bodies[at], bodies[at + 1], led_to[bodies[at]] and 1 or 0 })
    end
end
return found
";

/// Claims of those who show no signs of life: nobody would ever look at them.
const FORGOTTEN: &str = r"
local forgotten = {}
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. ':__acks__.*')) do
    local worker = string.match(key, '__acks__%.([^.]+)%.')
    if not redis.call('ZSCORE', KEYS[1] .. ':__heartbeats__', worker) then table.insert(forgotten, key) end
end
return forgotten
";

/// Keys of bodies, and of delayed messages; but for those of dead letters.
const LEFT: &str = r"
local left = {}
for _, key in ipairs(redis.call('KEYS', KEYS[1] .. ':*')) do
    if not string.find(key, '.XQ', 1, true) and (string.match(key, '%.msgs$') or string.match(key, '%.DQ')) then
        table.insert(left, key)
    end
end
return left
";

/// A body that lies there.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The list that it is of: a queue's name, with `.DQ` for the delayed ones.
    pub list: String,
    /// Its name there.
    pub name: String,
    /// What it says.
    pub bytes: Vec<u8>,
    /// Whether dramatiq's rules lead to it.
    pub is_reachable: bool,
}

impl Script {
    /// All bodies of these lists.
    pub(crate) async fn bodies(&self, lists: &[String]) -> Vec<Stored> {
        let found: Vec<(String, String, Vec<u8>, bool)> = self.eval(BODIES, lists).await;
        let stored = |(list, name, bytes, is_reachable)| Stored { list, name, bytes, is_reachable };
        found.into_iter().map(stored).collect()
    }

    /// The keys of bodies and lists that are there, but for those of dead letters.
    pub(crate) async fn left(&self) -> Vec<String> {
        self.eval(LEFT, &[]).await
    }

    /// The keys of claims of those who show no signs of life.
    pub(crate) async fn forgotten(&self) -> Vec<String> {
        self.eval(FORGOTTEN, &[]).await
    }

    pub(super) async fn eval<T: FromRedisValue>(&self, source: &str, arguments: &[String]) -> T {
        let mut call = redis::cmd("EVAL");
        call.arg(source).arg(1).arg(&self.namespace).arg(arguments);
        call.query_async(&mut self.connection.clone())
            .await
            .unwrap_or_else(|error| panic!("{}: {error}", self.namespace))
    }
}
