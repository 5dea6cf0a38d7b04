//! Which broker is meant, and why.
//!
//! The one that is named; else a Redis on this machine, when one answers; else a file in the target folder, which all
//! experiments share. Every process says in its first line which it took and why, so that two cannot talk past each other in
//! silence.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use clap::parser::ValueSource;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Experiment, Failure, commands};
use crate::broker::Broker;
use crate::error::ConnectError;

/// The store that lives in one process.
pub(super) const MEMORY: &str = "memory:";

/// What is tried first when nobody names a broker.
const REDIS: &str = "redis://localhost:6379";

/// Where a Redis would listen.
const REDIS_PORT: (&str, u16) = ("localhost", 6_379);

/// How long to wait for somebody to answer there; on this machine, a closed port says so at once.
const PATIENCE: Duration = Duration::from_millis(300);

/// The file that is taken where no Redis answers.
const FILE: &str = "lab.db";

/// What cargo puts into its target folders.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// A broker's URL, and who named it.
#[derive(Debug)]
pub(super) enum Choice {
    Named {
        url: String,
        /// For people: who named it.
        by: &'static str,
    },
    Default,
}

impl Choice {
    /// Reads the choice from the command line, else the environment.
    pub(super) fn of(given: &ArgMatches) -> Self {
        let url = given.get_one::<String>(commands::BROKER).filter(|url| !url.is_empty());
        match (url, given.value_source(commands::BROKER)) {
            (None, _) => Self::Default,
            (Some(url), Some(ValueSource::EnvVariable)) => Self::Named { url: url.clone(), by: "from BROKER_URL" },
            (Some(url), _) => Self::Named { url: url.clone(), by: "from --broker" },
        }
    }

    /// The URL, if it names a store that ends with this process.
    pub(super) fn in_memory(&self) -> Option<&str> {
        match self {
            Self::Named { url, .. } if url.starts_with(MEMORY) => Some(url),
            _ => None,
        }
    }

    /// Connects, and says where to.
    pub(super) async fn connect(self, experiment: &Experiment) -> Result<Broker, Failure> {
        let (broker, why) = match self {
            Self::Named { url, by } => {
                let broker = Broker::connect(&url).await.map_err(|error| explain(&error, by, experiment))?;
                (broker, by)
            }
            Self::Default => by_default(experiment).await?,
        };
        say(&broker, why);
        Ok(broker)
    }
}

async fn by_default(experiment: &Experiment) -> Result<(Broker, &'static str), Failure> {
    let why = match timeout(PATIENCE, TcpStream::connect(REDIS_PORT)).await {
        Ok(Ok(_)) => match Broker::connect(REDIS).await {
            Ok(broker) => return Ok((broker, "default: a Redis answers there")),
            Err(error) => {
                tracing::debug!(target: "common::broker", "{error}");
                "default: what listens on localhost:6379 does not answer as a Redis does"
            }
        },
        _ => "default: no Redis answers on localhost:6379",
    };
    let url = format!("sqlite:{}", file(experiment)?.display());
    let broker = Broker::connect(&url).await.map_err(|error| explain(&error, "the default", experiment))?;
    Ok((broker, why))
}

/// The file that all experiments share: in cargo's target folder, which is there, or is made.
fn file(experiment: &Experiment) -> Result<PathBuf, Failure> {
    let program = env::current_exe().ok();
    let built = program
        .as_deref()
        .and_then(|program| program.ancestors().find(|folder| folder.join(CACHE_TAG).is_file()).map(Path::to_owned));
    let folder = built.unwrap_or_else(|| {
        let experiment = Path::new(experiment.folder);
        experiment.parent().unwrap_or(experiment).join("target")
    });
    fs::create_dir_all(&folder).map_err(|error| {
        Failure::Unreachable(format!("no folder for the default broker, {}: {error}", folder.display()))
    })?;
    Ok(folder.join(FILE))
}

fn explain(error: &ConnectError, who: &str, experiment: &Experiment) -> Failure {
    if let ConnectError::Url { .. } = error {
        return Failure::Usage(format!("{error} ({who})"));
    }
    Failure::Unreachable(format!(
        "{error} ({who})\n\n\
         To start a Redis:        docker run --rm -p 6379:6379 redis     (or: redis-server)\n\
         To use another broker:   --broker redis://HOST:PORT or sqlite:PATH, or BROKER_URL\n\
         To do without, at first: cargo run -p {} -- demo",
        experiment.name
    ))
}

/// The first line of every log.
pub(super) fn say(broker: &Broker, why: &str) {
    let address = broker.address();
    if address.starts_with(MEMORY) {
        tracing::info!(target: "common::broker", "{address} ({why})");
    } else {
        tracing::info!(target: "common::broker", "{address} ({why}), namespace {}", broker.namespace());
    }
}
