//! A first actor, sent to a worker. The notes are in README.rst.

use std::thread;
use std::time::Duration;

use common::{actor, actors};
use tracing::info;

/// Counts to `n`, two numbers a second.
#[actor]
fn count_to(n: u32) {
    for i in 1..=n {
        info!("{i}");
        thread::sleep(Duration::from_millis(500));
    }
}

common::lab::main!(actors![count_to], demo: ["count_to 3"]);

#[cfg(test)]
mod tests {
    #[test]
    fn an_actor_is_still_a_function() {
        super::count_to(1);
    }
}
