//! A first proof of the wire: a real dramatiq process and the experiments, on one Redis.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::time::Duration;

use tests::process::{self, Process};
use tests::{python, redis};

/// A Redis for both, in a namespace of its own.
struct Shared {
    url: String,
    namespace: String,
    broker: String,
}

impl Shared {
    fn new() -> Self {
        let (url, namespace) = (redis::url(), redis::namespace());
        let broker = format!("{url}?namespace={namespace}");
        Self { url, namespace, broker }
    }

    fn start(&self, experiment: &str, args: &[&str]) -> Process {
        let args = [args, &["--broker", &self.broker]].concat();
        Process::start(&process::binary(experiment), &args, &[])
    }

    /// Waits until nothing of the default queue is left but dead letters.
    fn settled(&self) {
        let left = || -> u64 {
            let mut redis = redis::connection();
            let hashes = ["default.msgs", "default.DQ.msgs"].map(|hash| format!("{}:{hash}", self.namespace));
            hashes.iter().map(|hash| ::redis::cmd("HLEN").arg(hash).query::<u64>(&mut redis).unwrap()).sum()
        };
        let settled = process::eventually(Duration::from_secs(30), || (left() == 0).then_some(()));
        assert!(settled.is_some(), "messages are left in the queue");
    }
}

#[test]
fn python_sends_and_the_rust_worker_retries_and_gives_up() {
    let shared = Shared::new();
    let worker = shared.start("e02_error_handling", &["worker", "--threads", "2"]);
    worker.wait_for_line("ready:");
    let script = "
import dramatiq

@dramatiq.actor
def unhandled(n): ...

# The two options are Python's word against the actor's own: one retry, at once.
print(unhandled.send_with_options(args=(17,), max_retries=1, min_backoff=10).message_id)
print(unhandled.send(n=3).message_id)
";
    let sent = python::with_broker(script, &shared.url, &shared.namespace);
    let ids: Vec<&str> = sent.lines().map(|id| &id[..8]).collect();
    let failing = worker.wait_for("the end of the failing message", |line| line.contains("gave up after 2 attempts"));
    assert!(failing.contains(ids[0]), "{failing} should be of {}", ids[0]);
    let fine =
        worker.wait_for("the end of the other", |line| line.contains("unhandled(n=3)") && line.contains("done in"));
    assert!(fine.contains(ids[1]), "{fine} should be of {}", ids[1]);
    shared.settled();
    let dead: Vec<String> = ::redis::cmd("HVALS")
        .arg(format!("{}:default.XQ.msgs", shared.namespace))
        .query(&mut redis::connection())
        .unwrap();
    let decoded = python::run(
        "import sys; from dramatiq import Message; m = Message.decode(sys.argv[1].encode()); print(m.options['retries'], m.options['traceback'], m.args)",
        &[&dead[0]],
    );
    assert_eq!(String::from_utf8_lossy(&decoded.stdout).trim(), "1 17 is not allowed (17,)");
}

#[test]
fn rust_sends_and_the_python_worker_runs() {
    let shared = Shared::new();
    let module = "
import dramatiq

@dramatiq.actor
def count_to(n):
    print('python counts to', n, flush=True)
";
    let worker = python::dramatiq(module, &shared.url, &shared.namespace);
    // With no Rust worker there, a delayed message waits where Python looks for it.
    let later = shared.start("e01_hello_world", &["count_to", "6", "--delay", "1s"]);
    let sender = shared.start("e01_hello_world", &["count_to", "5"]);
    assert!(sender.wait().success() && later.wait().success());
    worker.wait_for_line("python counts to 5");
    worker.wait_for_line("python counts to 6");
    shared.settled();
}
