//! Python's side of the fleet.

use std::fs;
use std::path::Path;

use tests::process::Process;
use tests::python;

/// How long a worker of Python's may be silent before another one takes what it holds, in milliseconds: a minute, unless it is told
/// otherwise; and it does its upkeep by lottery, of which every ticket wins here. Long enough for a busy machine.
const SILENT: u32 = 10_000;

/// Actors as `fleet_worker` has them. Those of Rust's queue run in Rust only.
const ACTORS: &str = r#"
import json, os, time
import dramatiq
from dramatiq.middleware import CurrentMessage, GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend as Limits
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend as Kept
from kit_broker import broker

kept = Kept(url=os.environ["KIT_REDIS_URL"])
broker.add_middleware(CurrentMessage())
broker.add_middleware(GroupCallbacks(Limits(url=os.environ["KIT_REDIS_URL"])))
broker.add_middleware(Results(backend=kept))

def begin(job, part):
    message = CurrentMessage.get_current_message()
    retries = message.options.get("retries", 0)
    args = json.dumps(list(message.args), separators=(",", ":"))
    note(f"begin {job} {part} {retries + 1} {args}")
    time.sleep(job * 7 % 8 / 1000)
    if retries < message.options.get("fails", 0):
        raise RuntimeError("once more")

def run(job, part, text, big, number):
    begin(job, part)
    note(f"end {job} {part}")
    return big + job

def step(job, part, total):
    begin(job, part)
    note(f"end {job} {part}")
    return total + 1

actors = {}
for queue in ["rust", "python", "shared"]:
    for does in [run, step]:
        name = f"{does.__name__}_{queue}"
        actors[name] = dramatiq.actor(does, actor_name=name, queue_name=queue)
"#;

/// Sends the jobs of a file, and prints the ids of the messages whose results are kept.
const SENDER: &str = r#"
from dramatiq import group, pipeline

def message(part):
    options = dict(part["options"])
    if part["delay"]:
        options["delay"] = part["delay"]
    return actors[part["actor"]].message_with_options(args=part["args"], **options)

for job in json.load(open(PLAN)):
    parts = [message(part) for part in job["parts"]]
    if job["shape"] == "Pipeline":
        pipeline(parts).run()
    elif job["shape"] == "Group":
        members = group(parts[:-1])
        members.add_completion_callback(parts[-1])
        members.run()
    else:
        sent = broker.enqueue(parts[0], delay=parts[0].options.pop("delay", None))
        if "store_results" in sent.options:
            print(job["number"], sent.message_id)
"#;

/// Reads results, and prints them: a file names their actors and their messages' ids.
const READER: &str = "
for job, name, id in json.load(open(PLAN)):
    message = actors[name].message().copy(message_id=id)
    print(job, kept.get_result(message))
";

/// Starts a worker of its own queue and the shared one, called `name` in the ledger. It writes its id there before it fetches.
pub(crate) fn worker(ledger: &Path, name: &str, url: &str, namespace: &str) -> Process {
    let module = format!(
        r#"
import os
LEDGER = os.open("{}", os.O_APPEND | os.O_WRONLY)

def note(line):
    os.write(LEDGER, f"{name} {{line}}\n".encode())
{ACTORS}
broker.heartbeat_timeout = {SILENT}
broker.maintenance_chance = 1_000_000
note(f"is {{broker.broker_id}}")
"#,
        ledger.display()
    );
    python::dramatiq_with(&["--queues", "python", "shared"], &module, url, namespace)
}

/// Sends jobs, and returns the numbers and ids of those whose results are kept.
pub(crate) fn send(jobs: &str, url: &str, namespace: &str) -> Vec<(u32, String)> {
    let said = script(SENDER, jobs, url, namespace);
    said.lines().map(|line| pair(line, ToOwned::to_owned)).collect()
}

/// Reads what jobs have come to, of which it is told the number, the actor, and the message's id.
pub(crate) fn results(of: &str, url: &str, namespace: &str) -> Vec<(u32, i128)> {
    script(READER, of, url, namespace).lines().map(|line| pair(line, |number| number.parse().unwrap())).collect()
}

fn pair<T>(line: &str, read: impl Fn(&str) -> T) -> (u32, T) {
    let (number, rest) = line.split_once(' ').unwrap_or_else(|| panic!("a number and something else, not `{line}`"));
    (number.parse().unwrap(), read(rest))
}

/// Runs a script that has the actors above, and a file. (What it is given may be too much for a command line.)
fn script(script: &str, plan: &str, url: &str, namespace: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    fs::write(&file, plan).unwrap();
    python::with_broker(&format!("{ACTORS}\nPLAN = \"{}\"\n{script}", file.display()), url, namespace)
}
