//! What a beat does now and then.

use std::time::Duration;

/// Whether it is time again for what happens `every` so often; if so, it counts as done.
pub(in crate::stores) fn is_time(last: &mut Option<Duration>, uptime: Duration, every: Duration) -> bool {
    let is_time = last.is_none_or(|last| uptime.saturating_sub(last) >= every);
    if is_time {
        *last = Some(uptime);
    }
    is_time
}
