//! Which broker is meant, and why.

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::{Experiment, Failure, commands};
use crate::broker::Broker;
use crate::error::ConnectError;

/// The store that lives in one process.
pub(super) const MEMORY: &str = "memory:";

/// What is tried when nobody names a broker.
const DEFAULT: &str = "redis://localhost:6379";

/// A broker's URL, and who named it.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) url: String,
    /// For people: who named it.
    why: &'static str,
    is_default: bool,
}

impl Choice {
    /// Reads the choice from the command line, else the environment.
    pub(super) fn of(given: &ArgMatches) -> Self {
        let url = given.get_one::<String>(commands::BROKER).filter(|url| !url.is_empty());
        let (url, why, is_default) = match (url, given.value_source(commands::BROKER)) {
            (None, _) => (DEFAULT, "default: a Redis answers there", true),
            (Some(url), Some(ValueSource::EnvVariable)) => (url.as_str(), "from BROKER_URL", false),
            (Some(url), _) => (url.as_str(), "from --broker", false),
        };
        Self { url: url.to_owned(), why, is_default }
    }

    pub(super) fn is_memory(&self) -> bool {
        self.url.starts_with(MEMORY)
    }

    /// Connects, and says where to.
    pub(super) async fn connect(self, experiment: &Experiment) -> Result<Broker, Failure> {
        let broker = Broker::connect(&self.url).await.map_err(|error| self.explain(&error, experiment))?;
        say(&broker, self.why);
        Ok(broker)
    }

    fn explain(&self, error: &ConnectError, experiment: &Experiment) -> Failure {
        let who = if self.is_default { "the default" } else { self.why };
        if let ConnectError::Url { .. } = error {
            return Failure::Usage(format!("{error} ({who})"));
        }
        Failure::Unreachable(format!(
            "{error} ({who})\n\n\
             To start a Redis:        docker run --rm -p 6379:6379 redis     (or: redis-server)\n\
             To use another one:      --broker redis://HOST:PORT, or BROKER_URL\n\
             To do without, at first: cargo run -p {} -- demo",
            experiment.name
        ))
    }
}

/// The first line of every log, so that a worker and a sender cannot talk past each other in silence.
pub(super) fn say(broker: &Broker, why: &str) {
    let address = broker.address();
    if address.starts_with(MEMORY) {
        tracing::info!(target: "common::broker", "{address} ({why})");
    } else {
        tracing::info!(target: "common::broker", "{address} ({why}), namespace {}", broker.namespace());
    }
}
