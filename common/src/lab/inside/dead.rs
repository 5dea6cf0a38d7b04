//! `dead`: what died, and what becomes of it.

mod deeds;

use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::{Value, json};

use self::deeds::{Deed, carry_out};
use super::super::Failure;
use super::super::commands::inside::{self as words, Given};
use super::letter::{Letter, are_several, meant, overview};
use super::text::{Room, Table, aligned, second};
use super::{all_queues, answer, nothing};
use crate::because::short;
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::queue_name::QueueName;

/// How many letters one look shows.
const PAGE: usize = 100;

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

    /// How many letters are meant.
    async fn count(&self, broker: &Broker) -> Result<usize, Failure> {
        let (now, mut count) = (broker.clock().now(), 0);
        for queue in self.queues(broker).await? {
            let mut skip = 0;
            loop {
                let page = broker.dead_letters(&queue, skip, PAGE).await?;
                let is_last = page.len() < PAGE;
                skip += page.len();
                let letters = page.into_iter().map(|dead| Letter::dead(&queue, dead, now));
                count += letters.filter(|letter| self.lets_through(letter)).count();
                if is_last {
                    break;
                }
            }
        }
        Ok(count)
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
        return Ok(nothing(typed, "dead_letters", &unknown(typed.id(), typed)));
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
    let dead = broker.find(id, typed.depth()).await?.into_iter().filter(|found| !found.is_live());
    Ok(meant(id, dead.map(|found| Letter::new(found, now)).collect()))
}

fn unknown(id: &str, typed: Given<'_>) -> String {
    let deeper = if typed.is_deep() { "" } else { "; --deep looks into every one" };
    format!("no dead letter here has the id {id}{deeper}; `dead list` shows which there are")
}
