//! `dead`: what died, and what becomes of it.

use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::{Value, json};

use super::super::commands::inside::{self as words, Given};
use super::super::{Failure, output};
use super::letter::{Letter, aligned};
use super::text::{Table, cut, local, short};
use super::{all_queues, answer, is_wanted};
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::queue_name::QueueName;
use crate::store::{DeadLetter, Location, Sighting};

/// How many letters one look shows.
const PAGE: usize = 500;

/// The widest that a call and a reason are shown, so that a line fits a terminal.
const CALL: usize = 22;
const REASON: usize = 32;

pub(super) async fn look(broker: &Broker, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let (command, given) = given.subcommand().expect("clap demands a command");
    let typed = Given(given);
    match command {
        words::LIST => list(broker, typed).await,
        words::SHOW => show(broker, typed).await,
        words::REQUEUE => requeue(broker, typed).await,
        _ => delete(broker, typed).await,
    }
}

/// Which letters are meant.
struct Filter<'a> {
    queue: Option<&'a QueueName>,
    actor: Option<&'a str>,
    reason: Option<&'a str>,
    /// Not those that died before.
    from: Option<Timestamp>,
    /// Ids, or their first characters; none for all.
    ids: Vec<&'a str>,
}

impl<'a> Filter<'a> {
    fn of(typed: Given<'a>, now: Timestamp) -> Self {
        let before = |since| Timestamp::from_millis(now.as_millis() - i64::try_from(since).unwrap_or(i64::MAX));
        Self {
            queue: typed.queue(),
            actor: typed.actor(),
            reason: typed.reason(),
            from: typed.since().map(|since| before(since.as_millis())),
            ids: Vec::new(),
        }
    }

    fn lets_through(&self, letter: &Letter, dead: &DeadLetter) -> bool {
        let reason = dead.reason.as_deref().unwrap_or_default();
        self.actor.is_none_or(|actor| letter.actor() == Some(actor))
            && self.reason.is_none_or(|text| reason.contains(text))
            && self.from.is_none_or(|from| dead.died >= from)
            && (self.ids.is_empty() || self.ids.iter().any(|id| letter.id().starts_with(id) || dead.id.starts_with(id)))
    }

    /// At most so many of the letters that are meant, the oldest of each queue first.
    async fn letters(&self, broker: &Broker, limit: usize) -> Result<Vec<(Letter, DeadLetter)>, Failure> {
        let queues = match self.queue {
            Some(queue) => vec![queue.clone()],
            None => all_queues(broker).await?.into_iter().map(|queue| queue.name).collect(),
        };
        let now = broker.clock().now();
        let mut letters = Vec::new();
        for queue in queues {
            let mut seen = 0;
            loop {
                let page = broker.dead_letters(&queue, seen, PAGE).await?;
                let is_last = page.len() < PAGE;
                seen += page.len();
                for dead in page {
                    let letter = Letter::new(sighting(&queue, &dead), now);
                    if self.lets_through(&letter, &dead) {
                        letters.push((letter, dead));
                    }
                    if letters.len() == limit {
                        return Ok(letters);
                    }
                }
                if is_last {
                    break;
                }
            }
        }
        Ok(letters)
    }
}

fn sighting(queue: &QueueName, dead: &DeadLetter) -> Sighting {
    Sighting {
        queue: queue.clone(),
        name: dead.id.clone(),
        bytes: dead.bytes.clone(),
        crashes: 0,
        location: Location::Dead { died: dead.died, reason: dead.reason.clone() },
    }
}

fn programs(letters: &[(Letter, DeadLetter)]) -> Vec<Value> {
    letters.iter().map(|(letter, _)| Value::Object(letter.json())).collect()
}

async fn list(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let filter = Filter::of(typed, broker.clock().now());
    let letters = filter.letters(broker, typed.limit()).await?;
    let mut table = Table::new(&["DIED", "ID", "QUEUE", "CALL", "REASON"]);
    for (letter, dead) in &letters {
        table.row(vec![
            local(dead.died),
            short(letter.id()).to_owned(),
            cut(letter.queue().as_str(), CALL),
            cut(&letter.call(), CALL),
            cut(dead.reason.as_deref().unwrap_or("(unknown)"), REASON),
        ]);
    }
    let mut text = if letters.is_empty() { "No dead letter.\n".to_owned() } else { table.to_string() };
    if letters.len() == typed.limit() {
        text.push_str("There may be more: --limit N\n");
    }
    answer(typed, &text, &json!({ "dead_letters": programs(&letters) }));
    Ok(ExitCode::SUCCESS)
}

async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let now = broker.clock().now();
    let filter = Filter { ids: vec![typed.id()], ..Filter::of(typed, now) };
    let letters = filter.letters(broker, usize::MAX).await?;
    let text: Vec<String> = letters
        .iter()
        .map(|(letter, dead)| {
            let mut lines = letter.lines(now);
            lines.push(("reason", dead.reason.clone().unwrap_or_else(|| "(unknown)".to_owned())));
            if letter.message.is_none() {
                lines.push(("bytes", cut(&String::from_utf8_lossy(&dead.bytes), 2 * REASON)));
            }
            aligned(&lines)
        })
        .collect();
    if letters.is_empty() {
        return Ok(none(typed, "dead_letters"));
    }
    answer(typed, &text.join("\n"), &json!({ "dead_letters": programs(&letters) }));
    Ok(ExitCode::SUCCESS)
}

/// Those that were asked for.
async fn chosen(broker: &Broker, typed: Given<'_>) -> Result<Vec<(Letter, DeadLetter)>, Failure> {
    let filter = Filter { ids: typed.ids().collect(), ..Filter::of(typed, broker.clock().now()) };
    filter.letters(broker, usize::MAX).await
}

async fn requeue(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let letters = chosen(broker, typed).await?;
    if letters.is_empty() {
        return Ok(none(typed, "requeued"));
    }
    let (mut text, mut json, mut refused) = (String::new(), Vec::new(), 0);
    for (queue, letters) in by_queue(letters) {
        for page in letters.chunks(PAGE) {
            let dead: Vec<DeadLetter> = page.iter().map(|(_, dead)| dead.clone()).collect();
            let done = broker.requeue(&queue, &dead).await?;
            for ((letter, dead), done) in page.iter().zip(done) {
                let line = match (done, &letter.message) {
                    (true, _) => "is ready again, with the same id, under a new name; its retries start anew",
                    (false, Some(_)) => "is no dead letter any more",
                    (false, None) => "is no message, and cannot be run; look at it with `dead show`",
                };
                refused += usize::from(!done);
                text.push_str(&format!("{}  {} {line}\n", short(letter.id()), letter.call()));
                json.push(
                    json!({ "message_id": letter.id(), "name": dead.id, "queue": queue.as_str(), "requeued": done }),
                );
            }
        }
    }
    answer(typed, &text, &json!({ "requeued": json }));
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn delete(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let letters = chosen(broker, typed).await?;
    if letters.is_empty() {
        return Ok(none(typed, "deleted"));
    }
    if typed.every() && !is_wanted(typed, &format!("Delete {} dead letters for good?", letters.len()))? {
        answer(typed, "Nothing was deleted.\n", &json!({ "deleted": [] }));
        return Ok(ExitCode::FAILURE);
    }
    let (mut count, mut json) = (0, Vec::new());
    for (queue, letters) in by_queue(letters) {
        for page in letters.chunks(PAGE) {
            let names = page.iter().map(|(_, dead)| dead.id.clone()).collect();
            let done = broker.delete(&queue, names).await?;
            count += done.iter().filter(|done| **done).count();
            for ((letter, dead), done) in page.iter().zip(done) {
                json.push(
                    json!({ "message_id": letter.id(), "name": dead.id, "queue": queue.as_str(), "deleted": done }),
                );
            }
        }
    }
    let plural = if count == 1 { "" } else { "s" };
    answer(typed, &format!("{count} dead letter{plural} deleted.\n"), &json!({ "deleted": json }));
    Ok(ExitCode::SUCCESS)
}

fn none(typed: Given<'_>, key: &str) -> ExitCode {
    if typed.json() {
        output::print(&format!("{:#}\n", json!({ key: [] })));
    }
    output::error("no dead letter is meant by that; `dead list` shows all");
    ExitCode::FAILURE
}

/// Letters of one queue at a time, as the broker takes them.
fn by_queue(letters: Vec<(Letter, DeadLetter)>) -> Vec<(QueueName, Vec<(Letter, DeadLetter)>)> {
    let mut queues: Vec<(QueueName, Vec<_>)> = Vec::new();
    for (letter, dead) in letters {
        let queue = letter.queue().clone();
        match queues.iter_mut().find(|(known, _)| *known == queue) {
            Some((_, letters)) => letters.push((letter, dead)),
            None => queues.push((queue, vec![(letter, dead)])),
        }
    }
    queues
}
