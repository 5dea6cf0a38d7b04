//! When there is room again within a rate, for stores that count in Rust.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::duration::millis;
use crate::store::RateLimit;

/// When the bucket of a time begins, as a number, and when it ends.
pub(in crate::stores) fn bucket(now: Timestamp, length: Duration) -> (i64, Timestamp) {
    let length = millis(length).max(1);
    let start = now.as_millis() - now.as_millis().rem_euclid(length);
    (start, Timestamp::from_millis(start.saturating_add(length)))
}

/// The second of a time.
pub(in crate::stores) fn second(now: Timestamp) -> i64 {
    now.as_millis().div_euclid(1_000)
}

/// When the last `seconds` seconds will have room again, if they have none now: once enough of the oldest have left. `counts` are what
/// happened in some of these, in their order.
pub(in crate::stores) fn full_until(rate: &RateLimit, seconds: u32, counts: &[(i64, u32)]) -> Option<Timestamp> {
    let mut sum: u64 = counts.iter().map(|(_, count)| u64::from(*count)).sum();
    let mut until = None;
    for (second, count) in counts {
        if sum < u64::from(rate.limit) {
            break;
        }
        sum -= u64::from(*count);
        until = Some(Timestamp::from_millis((second + i64::from(seconds)) * 1_000));
    }
    until
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Within;

    #[test]
    fn a_window_has_room_once_enough_of_its_oldest_seconds_have_left() {
        let rate = |limit| RateLimit { key: String::new(), limit, within: Within::Seconds(10) };
        let at = |second: i64| Some(Timestamp::from_millis(second * 1_000));
        let counts = [(5, 2), (7, 1), (9, 3)];
        assert_eq!(full_until(&rate(7), 10, &counts), None);
        assert_eq!(full_until(&rate(6), 10, &counts), at(15));
        assert_eq!(full_until(&rate(4), 10, &counts), at(17));
        assert_eq!(full_until(&rate(1), 10, &counts), at(19));
        assert_eq!(full_until(&rate(1), 10, &[]), None);
    }

    #[test]
    fn buckets_begin_at_multiples_of_their_length() {
        let bucket = |now: i64| bucket(Timestamp::from_millis(now), Duration::from_millis(250));
        assert_eq!(bucket(999), (750, Timestamp::from_millis(1_000)));
        assert_eq!(bucket(1_000), (1_000, Timestamp::from_millis(1_250)));
    }
}
