//! What becomes of dead letters: sent once more, or deleted.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::super::commands::inside::Given;
use super::super::super::{Failure, output};
use super::super::letter::{Letter, are_several};
use super::super::text::some;
use super::super::{answer, is_wanted, nothing, number_of};
use super::{Filter, PAGE, find, unknown};
use crate::because::short;
use crate::broker::Broker;
use crate::queue_name::QueueName;

/// How many letters are listed of those that were moved.
const LISTED: usize = 20;

/// What becomes of dead letters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
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

    /// Does it to all letters of one message, which may be in several queues.
    async fn on_message(self, broker: &Broker, mut letters: Vec<Letter>, done: &mut Done) -> Result<(), Failure> {
        while let Some(queue) = letters.first().map(|letter| letter.queue().clone()) {
            let of_queue = letters.extract_if(.., |letter| *letter.queue() == queue).collect();
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

/// What was done. There may be millions of letters, so that most are only counted.
#[derive(Default)]
struct Done {
    /// How many letters were met.
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

    fn note(&mut self, deed: Deed, letter: &Letter, happened: bool) {
        self.met += 1;
        let line = format!("{}  {}", short(letter.id()), letter.short_call());
        if happened {
            self.count += 1;
            if self.listed.len() < LISTED {
                self.listed.push(line);
            }
        } else if letter.message.is_some() || deed == Deed::Delete {
            self.refuse(format!("{line} is no dead letter any more"));
        } else {
            self.stay += 1;
            self.refuse(format!("{line} cannot be run: its bytes are no message"));
        }
        if let Some(programs) = &mut self.programs {
            programs.push(json!({
                "message_id": letter.id(),
                "name": letter.found.name,
                "queue": letter.queue().as_str(),
                deed.key(): happened,
            }));
        }
    }

    /// What could not be done, a line each.
    fn why_not(&self) -> Vec<String> {
        let more = self.refusals - self.refused.len();
        let rest = (more > 0).then(|| format!("… and {more} more"));
        self.refused.iter().cloned().chain(rest).collect()
    }

    fn text(&self, deed: Deed) -> String {
        let mut lines = self.listed.clone();
        if self.count > self.listed.len() {
            lines.push("…".to_owned());
        }
        lines.extend(self.why_not());
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

pub(super) async fn carry_out(deed: Deed, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let mut done = Done::nothing(typed);
    let ended = if typed.every() {
        if deed == Deed::Delete && !is_deletion_wanted(broker, typed).await? {
            answer(typed, "Nothing was done.\n", &json!({ deed.key(): [] }));
            return Ok(ExitCode::FAILURE);
        }
        on_all(deed, broker, typed, &mut done).await
    } else {
        on_each(deed, broker, typed, &mut done).await
    };
    let why_not = done.why_not().join("\n");
    if done.met == 0 {
        ended?;
        let why = if typed.every() { "no dead letter is let through by these filters" } else { &why_not };
        return Ok(nothing(typed, deed.key(), why));
    }
    // What was done is told, whatever became of the rest.
    answer(typed, &done.text(deed), &json!({ deed.key(): done.programs }));
    if typed.json() && !why_not.is_empty() {
        output::error(&why_not);
    }
    ended?;
    Ok(if done.refusals == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Takes the ids one after the other; one that is none does not keep the others from it.
async fn on_each(deed: Deed, broker: &Broker, typed: Given<'_>, done: &mut Done) -> Result<(), Failure> {
    for id in typed.ids() {
        let letters = find(broker, id, typed).await?;
        if letters.is_empty() {
            done.refuse(unknown(id, typed));
        } else if are_several(&letters) {
            done.refuse(format!("{}; `dead show` tells which", number_of(id, &letters)));
        } else {
            deed.on_message(broker, letters, done).await?;
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
