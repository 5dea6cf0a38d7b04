//! What has to work whichever way leads to a Redis, with programs as people run them.

use tests::process::{self, PATIENCE, Process, eventually};

/// An experiment that waits for results.
const RESULTS: &str = "e06_results";

/// Runs a worker and senders on a broker whose URL has a password in it. `whole` is a URL of the same server over TCP, without TLS; by
/// it the server is asked who its clients are, and `is_by` says of each whether it came the right way. `address` is what may be shown.
pub(crate) fn works(url: &str, password: &str, address: &str, whole: &str, is_by: impl Fn(&str) -> bool) {
    let program = process::binary(RESULTS);
    let start = |args: &[&str]| Process::start(&program, args, &[("BROKER_URL", url)]);
    let worker = start(&["worker", "-v"]);
    worker.wait_for_line("ready: ");

    // Sent, run, and its result waited for.
    let asking = start(&["ask", "8", "20"]);
    assert!(asking.wait().success(), "{asking}");
    asking.wait_for_line("it returned 4");

    // Delayed.
    let sender = start(&["halve", "6", "--delay", "1s"]);
    assert!(sender.wait().success(), "{sender}");
    let id = sender.stdout().remove(0);
    worker.wait_for("the delayed run", |line| line.contains(&id[..8]) && line.contains("done in"));

    // The server tells the worker of what is new, and the worker has no connection that goes another way.
    let clients = || {
        let mut server = redis::Client::open(whole).and_then(|client| client.get_connection()).expect("the server");
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut server).expect("a list");
        list.lines().filter(|client| !client.contains("cmd=client|list")).map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let is_told = |client: &String| client.split(' ').any(|part| part.starts_with("flags=") && part.contains('t'));
    let is_all = |clients: &[String]| {
        clients.len() >= 3 && clients.iter().any(is_told) && clients.iter().all(|client| is_by(client))
    };
    let found = eventually(PATIENCE, || is_all(&clients()).then_some(()));
    assert!(found.is_some(), "{:#?}\n{worker}", clients());

    // Who looks inside comes the same way.
    let queues = start(&["queues"]);
    assert!(queues.wait().success(), "{queues}");
    worker.interrupt();
    assert!(worker.wait().success(), "{worker}");
    for process in [&worker, &asking, &sender, &queues] {
        let printed = process.lines().join("\n");
        assert!(printed.contains(address), "{address}\n{printed}");
        assert!(!printed.contains(password), "{printed}");
    }
    assert!(!worker.lines().concat().contains("does not tell of new messages"), "{worker}");
}

/// What a program says that cannot use its broker, and with which code it ends.
pub(crate) fn refused(url: &str) -> (Option<i32>, String) {
    let look = Process::start(&process::binary(RESULTS), &["queues"], &[("BROKER_URL", url)]);
    (look.wait().code(), look.lines().join("\n"))
}
