//! `dead`: what died, and what becomes of it.

use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::{Value, json};

use super::super::Failure;
use super::super::commands::inside::{self as words, Given};
use super::letter::{Letter, are_several, overview};
use super::text::{Room, Table, aligned, second, some};
use super::{all_queues, answer, is_wanted, nothing};
use crate::because::short;
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::queue_name::QueueName;

/// How many letters one look shows.
const PAGE: usize = 100;

/// How many letters are listed of those that were moved.
const LISTED: usize = 20;

/// How many columns of a terminal a queue and a call get.
const QUEUE: usize = 12;
const CALL: usize = 24;

pub(super) async fn look(broker: &Broker, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let (command, given) = given.subcommand().expect("clap demands a command");
    let typed = Given(given);
    match command {
        words::LIST => list(broker, typed).await,
        words::SHOW => show(broker, typed).await,
        words::REQUEUE => carry_out(Deed::Requeue, broker, typed).await,
        _ => carry_out(Deed::Delete, broker, typed).await,
    }
}

/// Which letters are meant.
struct Filter<'a> {
    queue: Option<&'a QueueName>,
    actor: Option<&'a str>,
    reason: Option<&'a str>,
    /// Not those that died before.
    from: Timestamp,
}

impl<'a> Filter<'a> {
    fn of(typed: Given<'a>, now: Timestamp) -> Self {
        let from = typed.since().map_or(i64::MIN, |since| {
            now.as_millis().saturating_sub(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
        });
        Self { queue: typed.queue(), actor: typed.actor(), reason: typed.reason(), from: Timestamp::from_millis(from) }
    }

    fn lets_through(&self, letter: &Letter) -> bool {
        let Some((died, reason)) = letter.death() else { return false };
        self.actor.is_none_or(|actor| letter.actor() == Some(actor))
            && self.reason.is_none_or(|text| reason.is_some_and(|reason| reason.contains(text)))
            && died >= self.from
    }

    async fn queues(&self, broker: &Broker) -> Result<Vec<QueueName>, Failure> {
        match self.queue {
            Some(queue) => Ok(vec![queue.clone()]),
            None => Ok(all_queues(broker).await?.into_iter().map(|queue| queue.name).collect()),
        }
    }

    /// The latest of the letters that are meant, at most so many, from the oldest to the newest; and whether there are more.
    async fn latest(&self, broker: &Broker, limit: usize) -> Result<(Vec<Letter>, bool), Failure> {
        let now = broker.clock().now();
        let mut letters = Vec::new();
        for queue in self.queues(broker).await? {
            let (mut end, mut found) = (broker.counts(&queue).await?.dead, 0);
            // One more tells whether there are more.
            while end > 0 && found <= limit {
                let start = end.saturating_sub(PAGE);
                let page = broker.dead_letters(&queue, start, end - start).await?;
                let is_old = page.first().is_some_and(|oldest| oldest.died < self.from);
                let page = page.into_iter().map(|dead| Letter::dead(&queue, dead, now));
                let before = letters.len();
                letters.extend(page.filter(|letter| self.lets_through(letter)));
                found += letters.len() - before;
                end = if is_old { 0 } else { start };
            }
        }
        letters.sort_by_key(|letter| letter.death().map(|(died, _)| died));
        let surplus = letters.len().saturating_sub(limit);
        letters.drain(..surplus);
        Ok((letters, surplus > 0))
    }
}

async fn list(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let filter = Filter::of(typed, broker.clock().now());
    let (letters, has_more) = filter.latest(broker, typed.limit()).await?;
    let room = Room::of_stdout();
    let mut table = Table::new(room, &["ID", "DIED", "QUEUE", "CALL", "REASON"]);
    for letter in &letters {
        let (died, reason) = letter.death().unwrap_or((Timestamp::EPOCH, None));
        table.row(vec![
            short(letter.id()).to_owned(),
            second(died),
            room.cell(letter.queue().as_str(), QUEUE),
            room.cell(&letter.call(), CALL),
            reason.unwrap_or("(unknown)").to_owned(),
        ]);
    }
    let mut text = if letters.is_empty() { "No dead letter.\n".to_owned() } else { table.to_string() };
    if has_more {
        text.push_str("\nThere are older ones: --limit N shows so many.\n");
    }
    let programs: Vec<Value> = letters.iter().map(|letter| Value::Object(letter.json())).collect();
    answer(typed, &text, &json!({ "dead_letters": programs, "more": has_more }));
    Ok(ExitCode::SUCCESS)
}

async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let letters = find(broker, typed.id(), typed).await?;
    if letters.is_empty() {
        return Ok(nothing(typed, "dead_letters", &unknown(typed.id())));
    }
    let now = broker.clock().now();
    let texts: Vec<String> = letters.iter().map(|letter| aligned(&letter.lines(now))).collect();
    let text = if are_several(&letters) { overview(&letters) } else { texts.join("\n") };
    let programs: Vec<Value> = letters.iter().map(|letter| Value::Object(letter.json())).collect();
    answer(typed, &text, &json!({ "dead_letters": programs }));
    Ok(ExitCode::SUCCESS)
}

/// The dead letters with this id, or these first characters of one.
async fn find(broker: &Broker, id: &str, typed: Given<'_>) -> Result<Vec<Letter>, Failure> {
    let now = broker.clock().now();
    let found = broker.find(id, typed.depth()).await?.into_iter().map(|found| Letter::new(found, now));
    Ok(found.filter(|letter| letter.death().is_some()).collect())
}

fn unknown(id: &str) -> String {
    format!("no dead letter here has the id {id}; `dead list` shows which there are")
}

/// What becomes of dead letters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Requeue,
    Delete,
}

impl Deed {
    /// Does it to letters of one queue.
    async fn on(
        self,
        broker: &Broker,
        queue: &QueueName,
        letters: Vec<Letter>,
        done: &mut Done,
    ) -> Result<(), Failure> {
        let dead: Vec<_> = letters.iter().filter_map(Letter::as_dead).collect();
        let happened = match self {
            Self::Requeue => broker.requeue(queue, &dead).await?,
            Self::Delete => broker.delete(queue, dead.into_iter().map(|dead| dead.id).collect()).await?,
        };
        for (letter, happened) in letters.iter().zip(happened) {
            done.note(self, letter, happened);
        }
        Ok(())
    }

    /// Its key for programs.
    fn key(self) -> &'static str {
        match self {
            Self::Requeue => "requeued",
            Self::Delete => "deleted",
        }
    }
}

/// What was done.
#[derive(Default)]
struct Done {
    count: usize,
    listed: Vec<String>,
    /// What could not be done, and why.
    refused: Vec<String>,
    /// Of those, how many are still dead letters.
    stay: usize,
    programs: Vec<Value>,
}

impl Done {
    fn note(&mut self, deed: Deed, letter: &Letter, happened: bool) {
        let line = format!("{}  {}", short(letter.id()), letter.short_call());
        if happened {
            self.count += 1;
            if self.listed.len() < LISTED {
                self.listed.push(line);
            }
        } else if letter.message.is_some() || deed == Deed::Delete {
            self.refused.push(format!("{line} is no dead letter any more"));
        } else {
            self.stay += 1;
            self.refused.push(format!("{line} cannot be run: its bytes are no message"));
        }
        self.programs.push(json!({
            "message_id": letter.id(),
            "name": letter.found.name,
            "queue": letter.queue().as_str(),
            deed.key(): happened,
        }));
    }

    fn text(&self, deed: Deed) -> String {
        let mut lines = self.listed.clone();
        if self.count > self.listed.len() {
            lines.push("…".to_owned());
        }
        lines.extend_from_slice(&self.refused);
        let letters = some(self.count, "dead letter");
        lines.push(match (deed, self.count) {
            (_, 0) => "Nothing was done.".to_owned(),
            (Deed::Requeue, 1) => {
                format!("{letters} is ready again: same id, new name on the wire, no retries yet.")
            }
            (Deed::Requeue, _) => {
                format!("{letters} are ready again: same ids, new names on the wire, no retries yet.")
            }
            (Deed::Delete, 1) => format!("{letters} is deleted."),
            (Deed::Delete, _) => format!("{letters} are deleted."),
        });
        lines.join("\n") + "\n"
    }
}

async fn carry_out(deed: Deed, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let mut done = Done::default();
    if typed.every() {
        if deed == Deed::Delete && !is_deletion_wanted(broker, typed).await? {
            answer(typed, "Nothing was done.\n", &json!({ deed.key(): [] }));
            return Ok(ExitCode::FAILURE);
        }
        on_all(deed, broker, typed, &mut done).await?;
    } else {
        for id in typed.ids() {
            let letters = find(broker, id, typed).await?;
            if are_several(&letters) {
                return Err(super::several(id, &letters));
            }
            match letters.first().map(|letter| letter.queue().clone()) {
                Some(queue) => deed.on(broker, &queue, letters, &mut done).await?,
                None => done.refused.push(unknown(id)),
            }
        }
    }
    if done.programs.is_empty() {
        let why =
            if typed.every() { "no dead letter is let through by these filters" } else { &done.refused.join("\n") };
        return Ok(nothing(typed, deed.key(), why));
    }
    answer(typed, &done.text(deed), &json!({ deed.key(): done.programs }));
    Ok(if done.refused.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn is_deletion_wanted(broker: &Broker, typed: Given<'_>) -> Result<bool, Failure> {
    if typed.yes() {
        return Ok(true);
    }
    let (letters, _) = Filter::of(typed, broker.clock().now()).latest(broker, usize::MAX - 1).await?;
    if letters.is_empty() {
        // Nobody has to be asked.
        return Ok(true);
    }
    is_wanted(typed, &format!("Delete {} for good?", some(letters.len(), "dead letter")))
}

/// Goes through all that died until now; what dies again meanwhile is not met a second time.
async fn on_all(deed: Deed, broker: &Broker, typed: Given<'_>, done: &mut Done) -> Result<(), Failure> {
    let now = broker.clock().now();
    let filter = Filter::of(typed, now);
    for queue in filter.queues(broker).await? {
        let mut passed = 0;
        loop {
            let page = broker.dead_letters(&queue, passed, PAGE).await?;
            let is_last = page.len() < PAGE || page.last().is_some_and(|newest| newest.died > now);
            let before = page.len();
            let page = page.into_iter().filter(|dead| dead.died <= now);
            let letters: Vec<_> =
                page.map(|dead| Letter::dead(&queue, dead, now)).filter(|letter| filter.lets_through(letter)).collect();
            let (meant, stayed) = (letters.len(), done.stay);
            deed.on(broker, &queue, letters, done).await?;
            passed += before - meant + (done.stay - stayed);
            if is_last {
                break;
            }
        }
    }
    Ok(())
}
