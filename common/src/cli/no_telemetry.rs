//! What stands in for `telemetry` where the feature `metrics` is off: nothing is counted, and there is no option that asks for it.
#![expect(clippy::unused_self, reason = "what stands in has nothing to do")]

use clap::ArgMatches;

use super::{App, Failure};
use crate::broker::{Broker, BrokerBuilder};
use crate::worker::Monitor;

pub(super) struct Telemetry;

impl Telemetry {
    pub(super) fn of(_: &ArgMatches) -> Self {
        Self
    }

    pub(super) fn count(&self, broker: BrokerBuilder) -> BrokerBuilder {
        broker
    }

    pub(super) async fn start(&self, _: &Broker, _: &Monitor) -> Result<(), Failure> {
        Ok(())
    }

    pub(super) fn end(&self, _: &Monitor) {}
}

pub(super) struct Sum;

impl Sum {
    pub(super) async fn of(_: &ArgMatches) -> Result<Self, Failure> {
        Ok(Self)
    }

    pub(super) fn told(&self, _: u32, _: &str) {}

    pub(super) fn ended(&self, _: u32) {}

    pub(super) async fn ready(&self, _: &App, _: &ArgMatches) -> Result<(), Failure> {
        Ok(())
    }

    pub(super) fn stops(&self) {}
}
