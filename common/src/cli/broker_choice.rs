//! Which broker is meant, and why.
//!
//! The one that is named; else the program's default, or an experiment's: a Redis on this machine, when one answers, else a file
//! in the target folder, which all experiments share. Every process says in its first line which it took and why, so that two cannot talk past each other in
//! silence.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ArgMatches;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{App, Failure, commands, environment};
use crate::broker::{Broker, BrokerBuilder, NAMESPACE};
use crate::error::{ConnectError, StoreError};

/// The store that lives in one process.
pub(super) const MEMORY: &str = "memory:";

/// What is tried first when nobody names a broker.
const REDIS: &str = "redis://localhost:6379";

/// Where a Redis would listen.
const REDIS_PORT: (&str, u16) = ("localhost", 6_379);

/// How long to wait for somebody to answer there; on this machine, a closed port says so at once.
const PATIENCE: Duration = Duration::from_millis(300);

/// The longest answer that is read.
const ANSWER: u64 = 200;

/// The file that is taken where no Redis answers.
const FILE: &str = "lab.db";

/// How a file's address begins.
const SQLITE: &str = "sqlite:";

/// What cargo puts into its target folders.
const CACHE_TAG: &str = "CACHEDIR.TAG";

/// Who named a broker that nobody has named.
const THE_DEFAULT: &str = "the default";

/// The variable of the environment that may name a broker.
const BROKER_URL: &str = "BROKER_URL";

/// A broker's URL, and who named it. It may hold a password.
pub(super) enum BrokerChoice {
    Named {
        url: String,
        /// For people: who named it.
        by: &'static str,
    },
    Default,
}

impl BrokerChoice {
    /// Reads the choice from the command line, else the environment. What names nothing leaves the default; spaces and line
    /// breaks around a URL do not count.
    pub(super) fn of(given: &ArgMatches) -> Result<Self, Failure> {
        let (url, by) = match given.get_one::<String>(commands::BROKER) {
            Some(url) => (url.clone(), "from --broker"),
            None => (environment::text(BROKER_URL)?.unwrap_or_default(), "from BROKER_URL"),
        };
        Ok(match url.trim() {
            "" => Self::Default,
            url => Self::Named { url: url.to_owned(), by },
        })
    }

    /// The URL, if it names a store that ends with this process.
    pub(super) fn in_memory(&self) -> Option<&str> {
        match self {
            Self::Named { url, .. } if url.starts_with(MEMORY) => Some(url),
            _ => None,
        }
    }

    /// Refuses a store that ends with this process where `option` starts others.
    pub(super) fn refuse_one_process(&self, option: &str) -> Result<(), Failure> {
        self.in_memory().map_or(Ok(()), |_| {
            Err(Failure::Usage(format!(
                "`--{option}` starts workers as processes of their own, and `memory:` is one process only: use a Redis, or a file \
                 (sqlite:PATH)"
            )))
        })
    }

    /// The URL that is meant, who named it, and why.
    async fn meant(&self, app: &App) -> Result<(String, &'static str, String), Failure> {
        Ok(match self {
            Self::Named { url, by } => (url.clone(), *by, (*by).to_owned()),
            Self::Default => match &app.default_broker {
                None => {
                    let (url, why) = look_around(app).await?;
                    (url, THE_DEFAULT, format!("default: {why}"))
                }
                Some(url) => (url.clone(), THE_DEFAULT, "default".to_owned()),
            },
        })
    }

    /// The URL that is meant. It may hold a password.
    #[cfg(feature = "metrics")]
    pub(super) async fn url(&self, app: &App) -> Result<String, Failure> {
        Ok(self.meant(app).await?.0)
    }

    /// Connects, and says where to. What is needed beside the program's own settings is added by `more`.
    pub(super) async fn connect(
        &self,
        app: &App,
        more: impl FnOnce(BrokerBuilder) -> BrokerBuilder,
    ) -> Result<Broker, Failure> {
        let (url, by, why) = self.meant(app).await?;
        let broker = more(app.broker_builder()).connect(&url).await.map_err(|error| explain(&error, by, app))?;
        say(&broker, &why);
        Ok(broker)
    }
}

/// The URL of a Redis on this machine, else of a file, and why.
async fn look_around(app: &App) -> Result<(String, String), Failure> {
    Ok(match Probe::at(REDIS_PORT).await {
        Probe::Redis => (REDIS.to_owned(), "a Redis answers there".to_owned()),
        Probe::Nobody => (file_url(app)?, format!("no Redis answers on {}", place())),
        Probe::Refuses(words) => (file_url(app)?, format!("the Redis on {} refuses: {words}", place())),
    })
}

fn place() -> String {
    let (host, port) = REDIS_PORT;
    format!("{host}:{port}")
}

/// Who answers where a Redis would.
#[derive(Debug, PartialEq, Eq)]
enum Probe {
    Nobody,
    /// A Redis that anybody may use.
    Redis,
    /// A Redis that wants a password, or says something else that is no welcome.
    Refuses(String),
}

impl Probe {
    /// Asks at an address. What is no Redis, or keeps silent, is nobody.
    async fn at(address: (&str, u16)) -> Self {
        let asked = timeout(PATIENCE, ask(address)).await;
        match asked.ok().and_then(Result::ok).as_deref() {
            Some("+PONG") => Self::Redis,
            // It is there, and will be ready soon.
            Some(words) if words.starts_with("-LOADING") => Self::Redis,
            Some(words) if words.starts_with('-') => Self::Refuses(words[1..].to_owned()),
            _ => Self::Nobody,
        }
    }
}

/// The first line that is answered to a greeting.
async fn ask(address: (&str, u16)) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"PING\r\n").await?;
    let mut answer = String::new();
    BufReader::new(stream.take(ANSWER)).read_line(&mut answer).await?;
    Ok(answer.trim_end().to_owned())
}

fn file_url(app: &App) -> Result<String, Failure> {
    Ok(format!("sqlite:{}", file(app)?.display()))
}

/// The file that all experiments share: in cargo's target folder, which is there, or is made.
fn file(app: &App) -> Result<PathBuf, Failure> {
    let program = env::current_exe().ok();
    let built = program
        .as_deref()
        .and_then(|program| program.ancestors().find(|folder| folder.join(CACHE_TAG).is_file()).map(Path::to_owned));
    let folder = built.unwrap_or_else(|| {
        let package = Path::new(app.package.map_or(".", |package| package.folder));
        package.parent().unwrap_or(package).join("target")
    });
    fs::create_dir_all(&folder).map_err(|error| {
        Failure::Unreachable(format!("no folder for the default broker, {}: {error}", folder.display()))
    })?;
    Ok(folder.join(FILE))
}

fn explain(error: &ConnectError, who: &str, app: &App) -> Failure {
    let start = match error {
        ConnectError::Url { .. } => return Failure::Usage(format!("{error} ({who})")),
        // The program itself says where that is.
        ConnectError::Elsewhere { .. } => return Failure::Unreachable(error.to_string()),
        // There is no server to start for a file; and one with TLS, or a socket, takes more than a command.
        ConnectError::Unreachable { url, cause: StoreError::Unreachable(_) } if url.starts_with("redis:") => {
            "To start a Redis:   redis-server, or: docker run --rm -p 6379:6379 redis\n"
        }
        ConnectError::Unreachable { url, cause } if wants_password(cause) => match url.split_once(':') {
            Some(("redis+unix", _)) => "To say who you are: redis+unix://USER:PASSWORD@/PATH\n",
            Some(("rediss", _)) => "To say who you are: rediss://USER:PASSWORD@HOST:PORT\n",
            _ => "To say who you are: redis://USER:PASSWORD@HOST:PORT, or redis://:PASSWORD@HOST:PORT\n",
        },
        ConnectError::Unreachable { .. } => "",
    };
    let without = match app.lesson {
        Some(_) => {
            format!("\nTo do without:      name none, and a file serves; or: {} demo", app.call())
        }
        None => String::new(),
    };
    Failure::Unreachable(format!(
        "{error} ({who})\n\n{start}\
         To name another:    --broker redis://HOST:PORT or sqlite:PATH, or BROKER_URL{without}"
    ))
}

/// Whether a Redis lets only those in whom it knows.
fn wants_password(cause: &StoreError) -> bool {
    let said = cause.to_string();
    ["WRONGPASS", "NOAUTH"].iter().any(|code| said.contains(code))
}

/// The first line of every log.
pub(super) fn say(broker: &Broker, why: &str) {
    let address = nearer(broker.address());
    let namespace = broker.namespace();
    // A Redis is shared with others, so the namespace always matters there.
    if namespace == NAMESPACE && !address.starts_with("redis") {
        tracing::info!(target: "common::broker", "{address} ({why})");
    } else {
        tracing::info!(target: "common::broker", "{address} ({why}), namespace {namespace}");
    }
}

/// The address of a file as seen from the working directory, if it lies below.
fn nearer(address: String) -> String {
    let inside = address.strip_prefix(SQLITE).and_then(|path| {
        let path = Path::new(path).strip_prefix(env::current_dir().ok()?).ok()?;
        Some(format!("{SQLITE}{}", path.display()))
    });
    inside.unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Who is at a port where a PING is answered so; nothing is answered to it where there is no answer.
    fn probe(answer: Option<&'static str>) -> Probe {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut greeting = [0; 6];
            stream.read_exact(&mut greeting).unwrap();
            assert_eq!(&greeting, b"PING\r\n");
            match answer {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                // Until the other one gives up.
                None => assert_eq!(stream.read(&mut greeting).unwrap(), 0),
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let found = runtime.block_on(Probe::at(("127.0.0.1", port)));
        server.join().unwrap();
        found
    }

    #[test]
    fn a_redis_is_known_by_its_answer() {
        assert_eq!(probe(Some("+PONG\r\n")), Probe::Redis);
        assert_eq!(probe(Some("-LOADING Redis is loading the dataset in memory\r\n")), Probe::Redis);
        let refused = Probe::Refuses("NOAUTH Authentication required.".to_owned());
        assert_eq!(probe(Some("-NOAUTH Authentication required.\r\n")), refused);
        assert_eq!(probe(Some("HTTP/1.1 400 Bad Request\r\n\r\n")), Probe::Nobody);
        assert_eq!(probe(None), Probe::Nobody);
    }

    #[test]
    fn a_closed_port_is_nobody() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(Probe::at(("127.0.0.1", port))), Probe::Nobody);
    }
}
