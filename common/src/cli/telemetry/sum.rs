//! The numbers of several processes, added up, in who started them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ArgMatches;
use tokio::sync::OnceCell;

use super::super::broker_choice::BrokerChoice;
use super::super::{App, Failure, commands};
use super::{Health, bind, serve, with_queues};
use crate::broker::Broker;
use crate::metrics::Snapshot;

/// What the workers of a supervisor have told. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Sum(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    numbers: Mutex<Numbers>,
    is_ready: AtomicBool,
    /// Asked how many messages are where.
    broker: OnceCell<Broker>,
}

#[derive(Debug, Default)]
struct Numbers {
    /// Of those that run, by their numbers.
    live: BTreeMap<u32, Snapshot>,
    /// Of those that have ended.
    ended: Snapshot,
}

impl Sum {
    /// Serves what was asked for: nothing, where it was not.
    pub(in crate::cli) async fn of(given: &ArgMatches) -> Result<Self, Failure> {
        let sum = Self::default();
        let Some(address) = given.get_one::<SocketAddr>(commands::METRICS).copied() else { return Ok(sum) };
        let listener = bind(address, given.get_flag(commands::SUPERVISED)).await?;
        tokio::spawn(serve(listener, Arc::new(sum.clone())));
        Ok(sum)
    }

    /// All workers are ready, so their broker answers: from now on it is asked how many messages are where.
    pub(in crate::cli) async fn ready(&self, app: &App, given: &ArgMatches) -> Result<(), Failure> {
        self.0.is_ready.store(true, Ordering::Relaxed);
        if given.get_one::<SocketAddr>(commands::METRICS).is_none() {
            return Ok(());
        }
        let (broker, url, shared) = (app.broker_builder(), BrokerChoice::of(given)?.url(app).await?, self.0.clone());
        tokio::spawn(async move {
            match broker.connect(&url).await {
                Ok(broker) => drop(shared.broker.set(broker)),
                Err(error) => {
                    tracing::warn!(target: "common::metrics", "how many messages are where is not told: {error}");
                }
            }
        });
        Ok(())
    }

    /// The workers have been told to stop.
    pub(in crate::cli) fn stops(&self) {
        self.0.is_ready.store(false, Ordering::Relaxed);
    }

    /// A worker has told its numbers, in its own words.
    pub(in crate::cli) fn told(&self, number: u32, json: &str) {
        match serde_json::from_str(json) {
            Ok(snapshot) => drop(self.0.lock().live.insert(number, snapshot)),
            Err(error) => {
                tracing::warn!(target: "common::metrics", "the numbers of worker {number} make no sense: {error}");
            }
        }
    }

    /// A worker has ended; what it counted stays.
    pub(in crate::cli) fn ended(&self, number: u32) {
        let mut numbers = self.0.lock();
        if let Some(snapshot) = numbers.live.remove(&number) {
            numbers.ended.add(&snapshot.ended());
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health for Sum {
    /// Whoever answers sees to its workers.
    fn is_live(&self) -> bool {
        true
    }

    fn is_ready(&self) -> bool {
        self.0.is_ready.load(Ordering::Relaxed)
    }

    async fn snapshot(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        {
            let numbers = self.0.lock();
            sum.add(&numbers.ended);
            numbers.live.values().for_each(|snapshot| sum.add(snapshot));
        }
        with_queues(sum, self.0.broker.get()).await
    }
}
