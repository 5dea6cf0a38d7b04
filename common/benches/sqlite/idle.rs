//! What a worker costs that has nothing to do, as Linux tells it in `/proc`.

use common::clock::Clock;

use crate::ground::{Place, Setup};
use crate::support::child::Child;
use crate::support::cost::{PERIOD, SETTLING, cpu, memory};
use crate::support::{Failed, table};

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let place = Place::new(setup)?;
    let child = Child::start(&[&place.url()])?;
    Clock::system().sleep(SETTLING).await;
    let before = cpu(child.id())?;
    Clock::system().sleep(PERIOD).await;
    let spent = cpu(child.id())? - before;
    table::row("idle worker, ms of CPU/s", &format!("{:.2}", spent / PERIOD.as_secs_f64()));
    table::row("idle worker, MB resident", &format!("{:.1}", memory(child.id())?));
    Ok(())
}
