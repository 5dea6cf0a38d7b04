//! The server as a process: it takes a task, runs it, shows its result, and ends well when it is told to.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::Broker;
use common::queue_name::QueueName;

/// Generous: what is waited for must come, on however slow a machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, and is killed with its test.
struct Server {
    process: Child,
    said: BufReader<ChildStdout>,
    address: String,
}

impl Server {
    fn start(broker_url: &str) -> Result<Self, Box<dyn Error>> {
        let mut process = Command::new(env!("CARGO_BIN_EXE_server"))
            .env("BROKER_URL", broker_url)
            .env("ADDRESS", "127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()?;
        let mut said = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut line = String::new();
        said.read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        Ok(Self { process, said, address })
    }

    /// The status and the text that a request is answered with.
    fn ask(&self, method: &str, path: &str, body: &str) -> Result<(u16, String), Box<dyn Error>> {
        let mut connection = TcpStream::connect(&self.address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let (address, length) = (&self.address, body.len());
        write!(
            connection,
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        let (head, text) = answer.split_once("\r\n\r\n").ok_or("an answer has a head")?;
        Ok((head.split(' ').nth(1).ok_or("a head has a status")?.parse()?, text.to_owned()))
    }

    /// Sends SIGTERM, waits for the end, and tells its exit code and the last words.
    fn terminate(mut self) -> Result<(Option<i32>, String), Box<dyn Error>> {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status()?.success());
        let mut words = String::new();
        self.said.read_to_string(&mut words)?;
        Ok((self.process.wait()?.code(), words))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already, if all went well.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Looks again and again until there is something.
fn eventually<T>(mut look: impl FnMut() -> Result<Option<T>, Box<dyn Error>>) -> Result<T, Box<dyn Error>> {
    let begun = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("not after {PATIENCE:?}").into());
        }
        // Between two looks at another process, of which nobody tells.
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn it_runs_what_it_accepts_and_one_signal_ends_server_and_worker() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("server-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let url = format!("sqlite:{}", folder.join("tasks.db").display());
    let server = Server::start(&url)?;

    let (status, id) = server.ask("POST", "/shout", "hello")?;
    assert_eq!(status, 202);
    let text = eventually(|| {
        let (status, text) = server.ask("GET", &format!("/shout/{id}"), "")?;
        Ok((status == 200).then_some(text))
    })?;
    assert_eq!(text, "HELLO!");

    // The next one runs when the signal comes: its run ends, and counts.
    let (_, id) = server.ask("POST", "/shout", "goodbye")?;
    let broker = Broker::connect_blocking(&url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let counts = || runtime.block_on(broker.counts(&QueueName::default()));
    eventually(|| Ok((counts()?.claimed == 1).then_some(())))?;
    let (code, words) = server.terminate()?;
    assert_eq!((code, words.trim()), (Some(0), "the worker's end: Clean"));
    assert_eq!((counts()?.claimed, counts()?.ready), (0, 0));

    // The next start finds its result.
    let server = Server::start(&url)?;
    assert_eq!(server.ask("GET", &format!("/shout/{id}"), "")?, (200, "GOODBYE!".to_owned()));
    let (code, _) = server.terminate()?;
    assert_eq!(code, Some(0));
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
