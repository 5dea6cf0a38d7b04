//! What hooks and observers cost: a drain with one that does next to nothing, in turn with a drain without.

use std::sync::atomic::{AtomicU64, Ordering};

use common::broker::{Broker, BrokerBuilder};
use common::middleware::Middleware;
use common::observe::{Observer, Report, Settled};

use crate::drain::drain;
use crate::ground::{Setup, namespace, wipe};
use crate::support::{self, Failed, table};

/// Rounds of each: what is looked for is a few percent, and single drains differ by ten.
const ROUNDS: usize = 41;

/// Counts what is done.
#[derive(Default)]
struct Counting(AtomicU64);

impl Observer for Counting {
    fn wants_messages(&self) -> bool {
        false
    }

    fn observe(&self, report: &Report) {
        self.0.fetch_add(u64::from(report.settled == Settled::Done), Ordering::Relaxed);
    }
}

/// Has every hook, and does nothing in any.
struct Idle;

impl Middleware for Idle {}

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let Setup { url, messages, .. } = setup;
    let without = async || drain(url, *messages).await;
    let observed = async || drain_as(Broker::builder().observer(Counting::default()), url, *messages).await;
    table::in_turns(ROUNDS, "drain with an observer that counts, messages/s", observed, "without", without).await?;
    let hooked = async || drain_as(Broker::builder().with(Idle), url, *messages).await;
    table::in_turns(ROUNDS, "drain with middleware that does nothing, messages/s", hooked, "without", without).await
}

async fn drain_as(builder: BrokerBuilder, url: &str, count: usize) -> Result<f64, Failed> {
    let namespace = namespace();
    let broker = builder.namespace(&namespace).connect(url).await?;
    let rate = support::drain::drain(&broker, count).await?;
    wipe(url, &namespace)?;
    Ok(rate)
}
