//! What becomes of dead letters: sent once more, or deleted.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::super::commands::inspect::Given;
use super::super::super::{Failure, output};
use super::super::message_view::{MessageView, are_several};
use super::super::text::some;
use super::super::{answer, is_wanted, nothing, number_of};
use super::{Filter, PAGE, find, unknown};
use crate::broker::Broker;
use crate::explain::short;
use crate::queue_name::QueueName;

/// How many dead letters are listed of those that were moved.
const LISTED: usize = 20;

/// What becomes of dead letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DeadLetterAction {
    Requeue,
    Delete,
}

impl DeadLetterAction {
    /// Does it to those of one queue.
    async fn on(
        self,
        broker: &Broker,
        queue: &QueueName,
        views: Vec<MessageView>,
        done: &mut Done,
    ) -> Result<(), Failure> {
        let dead: Vec<_> = views.iter().filter_map(MessageView::as_dead).collect();
        let happened = match self {
            Self::Requeue => broker.requeue(queue, &dead).await?,
            Self::Delete => broker.delete(queue, dead.into_iter().map(|dead| dead.id).collect()).await?,
        };
        for (view, happened) in views.iter().zip(happened) {
            done.note(self, view, happened);
        }
        Ok(())
    }

    /// Does it to all of one message, which may be in several queues.
    async fn on_message(self, broker: &Broker, mut views: Vec<MessageView>, done: &mut Done) -> Result<(), Failure> {
        while let Some(queue) = views.first().map(|view| view.queue().clone()) {
            let of_queue = views.extract_if(.., |view| *view.queue() == queue).collect();
            self.on(broker, &queue, of_queue, done).await?;
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

/// What was done. There may be millions of them, so that most are only counted.
#[derive(Default)]
struct Done {
    /// How many dead letters were met.
    met: usize,
    /// With how many of them it happened.
    count: usize,
    listed: Vec<String>,
    /// What could not be done, and why.
    refused: Vec<String>,
    refusals: usize,
    /// Of those, how many are still dead letters.
    stay: usize,
    /// All of them, where programs want to know.
    programs: Option<Vec<Value>>,
}

impl Done {
    fn nothing(typed: Given<'_>) -> Self {
        Self { programs: typed.json().then(Vec::new), ..Self::default() }
    }

    fn refuse(&mut self, why: String) {
        self.refusals += 1;
        if self.refused.len() < LISTED {
            self.refused.push(why);
        }
    }

    fn note(&mut self, action: DeadLetterAction, view: &MessageView, happened: bool) {
        self.met += 1;
        let line = format!("{}  {}", short(view.id()), view.short_call());
        if happened {
            self.count += 1;
            if self.listed.len() < LISTED {
                self.listed.push(line);
            }
        } else if view.message.is_some() || action == DeadLetterAction::Delete {
            self.refuse(format!("{line} is no dead letter any more"));
        } else {
            self.stay += 1;
            self.refuse(format!("{line} cannot be run: its bytes are no message"));
        }
        if let Some(programs) = &mut self.programs {
            programs.push(json!({
                "message_id": view.id(),
                "name": view.found.name,
                "queue": view.queue(),
                action.key(): happened,
            }));
        }
    }

    /// What could not be done, a line each.
    fn why_not(&self) -> Vec<String> {
        let more = self.refusals - self.refused.len();
        let rest = (more > 0).then(|| format!("… and {more} more"));
        self.refused.iter().cloned().chain(rest).collect()
    }

    fn text(&self, action: DeadLetterAction) -> String {
        let mut lines = self.listed.clone();
        if self.count > self.listed.len() {
            lines.push("…".to_owned());
        }
        lines.extend(self.why_not());
        let views = some(self.count, "dead letter");
        lines.push(match (action, self.count) {
            (_, 0) => "Nothing was done.".to_owned(),
            (DeadLetterAction::Requeue, 1) => {
                format!("{views} is ready again: same id, new name on the wire, no retries yet.")
            }
            (DeadLetterAction::Requeue, _) => {
                format!("{views} are ready again: same ids, new names on the wire, no retries yet.")
            }
            (DeadLetterAction::Delete, 1) => format!("{views} is deleted."),
            (DeadLetterAction::Delete, _) => format!("{views} are deleted."),
        });
        lines.join("\n") + "\n"
    }
}

pub(super) async fn carry_out(
    action: DeadLetterAction,
    broker: &Broker,
    typed: Given<'_>,
) -> Result<ExitCode, Failure> {
    let mut done = Done::nothing(typed);
    let ended = if typed.every() {
        if action == DeadLetterAction::Delete && !is_deletion_wanted(broker, typed).await? {
            answer(typed, "Nothing was done.\n", &json!({ action.key(): [] }));
            return Ok(ExitCode::FAILURE);
        }
        on_all(action, broker, typed, &mut done).await
    } else {
        on_each(action, broker, typed, &mut done).await
    };
    let why_not = done.why_not().join("\n");
    if done.met == 0 {
        ended?;
        let why = if typed.every() { "no dead letter is let through by these filters" } else { &why_not };
        return Ok(nothing(typed, action.key(), why));
    }
    // What was done is told, whatever became of the rest.
    answer(typed, &done.text(action), &json!({ action.key(): done.programs }));
    if typed.json() && !why_not.is_empty() {
        output::error(&why_not);
    }
    ended?;
    Ok(if done.refusals == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes the ids one after the other; one that is none does not keep the others from it.
async fn on_each(action: DeadLetterAction, broker: &Broker, typed: Given<'_>, done: &mut Done) -> Result<(), Failure> {
    for id in typed.ids() {
        let views = find(broker, id, typed).await?;
        if views.is_empty() {
            done.refuse(unknown(id, typed));
        } else if are_several(&views) {
            done.refuse(format!("{}; `dead show` tells which", number_of(id, &views)));
        } else {
            action.on_message(broker, views, done).await?;
        }
    }
    Ok(())
}

async fn is_deletion_wanted(broker: &Broker, typed: Given<'_>) -> Result<bool, Failure> {
    if typed.yes() {
        return Ok(true);
    }
    let count = Filter::of(typed, broker.clock().now()).count(broker).await?;
    if count == 0 {
        // Nobody has to be asked.
        return Ok(true);
    }
    is_wanted(typed, &format!("Delete {} for good?", some(count, "dead letter")))
}

/// Goes through all that died until now; what dies again meanwhile is not met a second time.
async fn on_all(action: DeadLetterAction, broker: &Broker, typed: Given<'_>, done: &mut Done) -> Result<(), Failure> {
    let now = broker.clock().now();
    let filter = Filter::of(typed, now);
    for queue in filter.queues(broker).await? {
        let mut passed = 0;
        loop {
            let page = broker.dead_letters(&queue, passed, PAGE).await?;
            let is_last = page.len() < PAGE || page.last().is_some_and(|newest| newest.died > now);
            let before = page.len();
            let page = page.into_iter().filter(|dead| dead.died <= now);
            let views: Vec<_> = page
                .map(|dead| MessageView::dead(&queue, dead, now))
                .filter(|view| filter.lets_through(view))
                .collect();
            let (meant, stayed) = (views.len(), done.stay);
            action.on(broker, &queue, views, done).await?;
            passed += before - meant + (done.stay - stayed);
            if is_last {
                break;
            }
        }
    }
    Ok(())
}
