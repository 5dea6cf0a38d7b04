//! `dead`: what died, and what becomes of it.

mod dead_letter_action;

use std::process::ExitCode;

use clap::ArgMatches;
use serde_json::{Value, json};

use self::dead_letter_action::{DeadLetterAction, carry_out};
use super::super::Failure;
use super::super::commands::inspect::{self as words, Given};
use super::message_view::{MessageView, are_several, meant, overview};
use super::text::{Room, Table, aligned, second};
use super::{answer, nothing};
use crate::broker::Broker;
use crate::clock::Timestamp;
use crate::duration::millis;
use crate::explain::short;
use crate::queue_name::QueueName;

/// How many dead letters one look shows.
const PAGE: usize = 100;

/// How many columns of a terminal a queue and a call get.
const QUEUE: usize = 12;
const CALL: usize = 24;

pub(super) async fn run(broker: &Broker, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let (command, given) = given.subcommand().expect("clap demands a command");
    let typed = Given(given);
    match command {
        words::LIST => list(broker, typed).await,
        words::SHOW => show(broker, typed).await,
        words::REQUEUE => carry_out(DeadLetterAction::Requeue, broker, typed).await,
        _ => carry_out(DeadLetterAction::Delete, broker, typed).await,
    }
}

/// Which dead letters are meant.
struct Filter<'a> {
    queue: Option<&'a QueueName>,
    actor: Option<&'a str>,
    reason: Option<&'a str>,
    /// Not those that died before.
    from: Timestamp,
}

impl<'a> Filter<'a> {
    fn of(typed: Given<'a>, now: Timestamp) -> Self {
        let from = typed.since().map_or(i64::MIN, |since| now.as_millis().saturating_sub(millis(since)));
        Self { queue: typed.queue(), actor: typed.actor(), reason: typed.reason(), from: Timestamp::from_millis(from) }
    }

    fn lets_through(&self, view: &MessageView) -> bool {
        let Some((died, reason)) = view.death() else { return false };
        self.actor.is_none_or(|actor| view.actor() == Some(actor))
            && self.reason.is_none_or(|text| reason.is_some_and(|reason| reason.contains(text)))
            && died >= self.from
    }

    async fn queues(&self, broker: &Broker) -> Result<Vec<QueueName>, Failure> {
        match self.queue {
            Some(queue) => Ok(vec![queue.clone()]),
            None => Ok(broker.all_queues().await?.into_iter().map(|queue| queue.name).collect()),
        }
    }

    /// How many dead letters are meant.
    async fn count(&self, broker: &Broker) -> Result<usize, Failure> {
        let (now, mut count) = (broker.clock().now(), 0);
        for queue in self.queues(broker).await? {
            let mut skip = 0;
            loop {
                let page = broker.dead_letters(&queue, skip, PAGE).await?;
                let is_last = page.len() < PAGE;
                skip += page.len();
                let views = page.into_iter().map(|dead| MessageView::dead(&queue, dead, now));
                count += views.filter(|view| self.lets_through(view)).count();
                if is_last {
                    break;
                }
            }
        }
        Ok(count)
    }

    /// The latest of those that are meant, at most so many, from the oldest to the newest; and whether there are more.
    async fn latest(&self, broker: &Broker, limit: usize) -> Result<(Vec<MessageView>, bool), Failure> {
        let now = broker.clock().now();
        let mut views = Vec::new();
        for queue in self.queues(broker).await? {
            let (mut end, mut found) = (broker.counts(&queue).await?.dead, 0);
            // One more tells whether there are more.
            while end > 0 && found <= limit {
                let start = end.saturating_sub(PAGE);
                let page = broker.dead_letters(&queue, start, end - start).await?;
                let is_old = page.first().is_some_and(|oldest| oldest.died < self.from);
                let page = page.into_iter().map(|dead| MessageView::dead(&queue, dead, now));
                let before = views.len();
                views.extend(page.filter(|view| self.lets_through(view)));
                found += views.len() - before;
                end = if is_old { 0 } else { start };
            }
        }
        views.sort_by_key(|view| view.death().map(|(died, _)| died));
        let surplus = views.len().saturating_sub(limit);
        views.drain(..surplus);
        Ok((views, surplus > 0))
    }
}

async fn list(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let filter = Filter::of(typed, broker.clock().now());
    let (views, has_more) = filter.latest(broker, typed.limit()).await?;
    let room = Room::of_stdout();
    let mut table = Table::new(room, &["ID", "DIED", "QUEUE", "CALL", "REASON"]);
    for view in &views {
        let (died, reason) = view.death().unwrap_or((Timestamp::EPOCH, None));
        table.row(vec![
            short(view.id()).to_owned(),
            second(died),
            room.cell(view.queue().as_str(), QUEUE),
            room.cell(&view.call(), CALL),
            reason.unwrap_or("(unknown)").to_owned(),
        ]);
    }
    let mut text = if views.is_empty() { "No dead letter.\n".to_owned() } else { table.to_string() };
    if has_more {
        text.push_str("\nThere are older ones: --limit N shows so many.\n");
    }
    let programs: Vec<Value> = views.iter().map(MessageView::json).collect();
    answer(typed, &text, &json!({ "dead_letters": programs, "more": has_more }));
    Ok(ExitCode::SUCCESS)
}

async fn show(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let views = find(broker, typed.id(), typed).await?;
    if views.is_empty() {
        return Ok(nothing(typed, "dead_letters", &unknown(typed.id(), typed)));
    }
    let now = broker.clock().now();
    let texts: Vec<String> = views.iter().map(|view| aligned(&view.lines(now))).collect();
    let text = if are_several(&views) { overview(&views) } else { texts.join("\n") };
    let programs: Vec<Value> = views.iter().map(MessageView::json).collect();
    answer(typed, &text, &json!({ "dead_letters": programs }));
    Ok(ExitCode::SUCCESS)
}

/// The dead letters with this id, or these first characters of one.
async fn find(broker: &Broker, id: &str, typed: Given<'_>) -> Result<Vec<MessageView>, Failure> {
    let now = broker.clock().now();
    let dead = broker.find(id, typed.depth()).await?.into_iter().filter(|found| !found.is_live());
    Ok(meant(id, dead.map(|found| MessageView::new(found, now)).collect()))
}

fn unknown(id: &str, typed: Given<'_>) -> String {
    let deeper = if typed.is_deep() { "" } else { "; --deep looks into every one" };
    format!("no dead letter here has the id {id}{deeper}; `dead list` shows which there are")
}
