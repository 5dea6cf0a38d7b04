//! Signals that this process was started to ignore.
//!
//! `nohup`, a `&` in a script, and some CI systems start a test run with SIGINT or SIGHUP ignored, and what is ignored stays so in
//! every child: a shell may not even trap it. A test that sends Ctrl-C would wait for an end that never comes. A signal that
//! has a handler is back to its default in a child, so what is ignored gets one that does nothing.

use std::{fs, sync::Once, thread};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
};

/// What tests send, or what ends a child together with its terminal.
const SENT: [fn() -> SignalKind; 4] =
    [SignalKind::hangup, SignalKind::interrupt, SignalKind::quit, SignalKind::terminate];

/// Children that are started from now on ignore nothing because this process does. For this process nothing changes.
pub(super) fn restore() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let ignored = ignored(&fs::read_to_string("/proc/self/status").unwrap_or_default());
        let ignored: Vec<_> =
            SENT.iter().map(|kind| kind()).filter(|kind| ignored & mask(kind.as_raw_value()) != 0).collect();
        if ignored.is_empty() {
            return;
        }
        handle(&ignored);
    });
}

/// Sets handlers that do nothing. One stays for good, also when the runtime that asked for it is gone. A caller may be async, and in
/// its runtime no other one can be dropped; so this happens on a thread of its own.
fn handle(signals: &[SignalKind]) {
    let on_thread = || {
        let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime for signals");
        let _inside = runtime.enter();
        for kind in signals {
            let handled = signal(*kind);
            drop(handled.unwrap_or_else(|error| panic!("signal {} can't be handled: {error}", kind.as_raw_value())));
        }
    };
    thread::scope(|scope| scope.spawn(on_thread).join()).expect("signals are handled");
}

/// The signals that a process ignores, a bit each, out of its `/proc/PID/status`. None where the system has no such file.
fn ignored(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn mask(signal: i32) -> u64 {
    1 << (signal - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn signals_can_be_handled_from_within_a_runtime() {
        handle(&[SignalKind::user_defined2()]);
    }

    #[test]
    fn what_is_ignored_is_read_from_the_systems_own_words() {
        let ignored = ignored("Name:\tsh\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000003\nSigCgt:\t0\n");
        let is_ignored = |kind: SignalKind| ignored & mask(kind.as_raw_value()) != 0;
        assert!(is_ignored(SignalKind::hangup()) && is_ignored(SignalKind::interrupt()));
        assert!(!is_ignored(SignalKind::quit()) && !is_ignored(SignalKind::terminate()));
    }
}
