//! `cancel`, `pause`, `resume`, `purge`: what people move.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::commands::inspect::Given;
use super::super::{App, Failure};
use super::message_view::{MessageView, are_several, meant};
use super::show::not_found;
use super::text::some;
use super::{answer, is_wanted, nothing, several};
use crate::broker::Broker;
use crate::explain::{error_line, short};
use crate::queue_name::QueueName;
use crate::store::{Cancelled, State};

/// The reason of a dead letter that was cancelled.
const BY_HAND: &str = "cancelled by hand";

/// How often a message that moved on meanwhile is looked for again.
const TRIES: usize = 10;

pub(super) async fn cancel(broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let mut moved_on: Option<MessageView> = None;
    for _ in 0..TRIES {
        let now = broker.clock().now();
        let found = broker.find(typed.id(), typed.depth()).await?;
        let views = meant(typed.id(), found.into_iter().map(|found| MessageView::new(found, now)).collect());
        // What is dead already stands beside what was sent again.
        let (dead, views): (Vec<_>, Vec<_>) = views.into_iter().partition(|view| !view.found.is_live());
        if are_several(&views) {
            return Err(several(typed.id(), &views));
        }
        if views.is_empty() {
            return Ok(nothing(typed, "cancelled", &nothing_to_cancel(typed, &dead, moved_on.as_ref())));
        }
        let (mut text, mut programs) = (String::new(), Vec::new());
        for view in views {
            match broker.cancel(&view.found, BY_HAND).await? {
                Some(was) => {
                    let (sentence, program) = outcome(broker, &view, &was).await?;
                    text += short(view.id());
                    text += &[" ", &view.short_call(), &format!("{sentence}\n")].join(" ");
                    programs.push(program);
                }
                None => moved_on = Some(view),
            }
        }
        if !programs.is_empty() {
            answer(typed, &text, &json!({ "cancelled": programs }));
            return Ok(ExitCode::SUCCESS);
        }
    }
    let call = moved_on.map_or_else(|| typed.id().to_owned(), |view| view.short_call());
    Err(Failure::Broken(format!("{call} moves faster than it can be cancelled; try again")))
}

fn nothing_to_cancel(typed: Given<'_>, dead: &[MessageView], moved_on: Option<&MessageView>) -> String {
    match (dead.last(), moved_on) {
        (Some(view), _) => {
            let reason = view.death().and_then(|(_, reason)| reason).map(error_line);
            let reason = reason.unwrap_or_else(|| "nobody knows why".to_owned());
            format!("{} is a dead letter already: {reason}", view.short_call())
        }
        (None, Some(view)) => format!("{} has ended before it could be cancelled", view.short_call()),
        (None, None) => not_found(typed),
    }
}

/// Where it was, and what becomes of it: for people, and for programs.
async fn outcome(broker: &Broker, view: &MessageView, was: &Cancelled) -> Result<(String, Value), Failure> {
    let dead = format!("it is a dead letter now, in {}", view.queue().dead_letter());
    let mut program = json!(was);
    program["message_id"] = json!(view.id());
    program["name"] = json!(view.found.name);
    program["queue"] = json!(view.queue());
    let worker = match was {
        Cancelled::Claimed { worker } => worker,
        Cancelled::Ready => return Ok((format!("was ready; {dead}"), program)),
        Cancelled::Delayed => return Ok((format!("was delayed; {dead}"), program)),
    };
    let workers = broker.all_workers().await?;
    let known = workers.iter().find(|known| known.id == *worker);
    let python = known.is_some_and(|known| known.queues.is_none());
    program["python"] = json!(python);
    let worker = short(worker);
    let sentence = if python && matches!(view.found.state, State::Delayed { .. }) {
        program["was"] = json!("delayed");
        format!("is kept until its time by Python's worker {worker}, which cannot hear of this: it is run then")
    } else if python {
        format!(
            "is with Python's worker {worker}, which cannot hear of this: it runs to its end, and is retried if it fails"
        )
    } else if known.is_none_or(|known| known.is_silent) {
        format!("is with worker {worker}, which gives no sign of life: it is a dead letter once another one takes over")
    } else {
        format!("is with worker {worker}, which hears of it within about a second; it is not run again")
    };
    Ok((sentence, program))
}

pub(super) async fn pause(app: &App, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let queue = known(app, broker, typed).await?;
    let is_new = broker.pause(queue).await?;
    let mut text = if is_new {
        format!("Queue {queue} is paused: what was fetched still runs, nothing more is fetched.\n")
    } else {
        format!("Queue {queue} was paused already.\n")
    };
    let has_python = has_python(broker).await?;
    if has_python {
        text.push_str("Python's workers know of no pause, and go on.\n");
    }
    answer(typed, &text, &json!({ "queue": queue, "paused": true, "changed": is_new, "python_goes_on": has_python }));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn resume(app: &App, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let queue = known(app, broker, typed).await?;
    let is_new = broker.resume(queue).await?;
    let text = if is_new { format!("Queue {queue} goes on.\n") } else { format!("Queue {queue} was not paused.\n") };
    answer(typed, &text, &json!({ "queue": queue, "paused": false, "changed": is_new }));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn purge(app: &App, broker: &Broker, typed: Given<'_>) -> Result<ExitCode, Failure> {
    let queue = known(app, broker, typed).await?;
    let counts = broker.counts(queue).await?;
    let (ready, delayed) = (counts.ready, counts.delayed);
    let tell = |text: &str, deleted: usize| {
        answer(typed, &format!("{text}\n"), &json!({ "queue": queue, "deleted": deleted }));
    };
    if ready + delayed == 0 {
        tell(&format!("Nothing waits in queue {queue}."), 0);
        return Ok(ExitCode::SUCCESS);
    }
    let all = some(ready + delayed, "message");
    let question = format!("Delete {all} of queue {queue} ({ready} ready, {delayed} delayed)?");
    if !is_wanted(typed, &question)? {
        tell("Nothing was deleted.", 0);
        return Ok(ExitCode::FAILURE);
    }
    let deleted = broker.purge(queue).await?;
    let left = broker.counts(queue).await?.delayed;
    let mut text = format!("{} of queue {queue} deleted; what runs or is dead stays.", some(deleted, "message"));
    if left > 0 && has_python(broker).await? {
        text += &kept_by_python(left);
    }
    tell(&text, deleted);
    Ok(ExitCode::SUCCESS)
}

/// Why delayed messages stay that were to be deleted.
fn kept_by_python(left: usize) -> String {
    let (verb, owners) = if left == 1 {
        ("does", "a worker of Python keeps until its")
    } else {
        ("do", "workers of Python keep until their")
    };
    format!(" So {verb} {} that came since, or that {owners} time.", some(left, "delayed message"))
}

/// Whether workers of Python are alive.
async fn has_python(broker: &Broker) -> Result<bool, Failure> {
    Ok(broker.all_workers().await?.iter().any(|worker| worker.queues.is_none() && !worker.is_silent))
}

/// The queue that was named, if anybody knows it: a typing error would be paused without a sound.
async fn known<'a>(app: &App, broker: &Broker, typed: Given<'a>) -> Result<&'a QueueName, Failure> {
    let queue = typed.queue().expect("it is required");
    let ours = app.actors.iter().map(|actor| QueueName::canonical(actor.queue));
    if ours.clone().any(|known| known == *queue) || broker.queue(queue).await?.is_some() {
        return Ok(queue);
    }
    let theirs = broker.all_queues().await?.into_iter().map(|queue| queue.name);
    let mut names: Vec<QueueName> = ours.chain(theirs).collect();
    names.sort_unstable();
    names.dedup();
    let names: Vec<&str> = names.iter().map(QueueName::as_str).collect();
    Err(Failure::Usage(format!("nobody here knows a queue {queue}; there are: {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_message_and_several_are_told_in_english() {
        assert_eq!(
            kept_by_python(1),
            " So does 1 delayed message that came since, or that a worker of Python keeps until its time."
        );
        assert_eq!(
            kept_by_python(2),
            " So do 2 delayed messages that came since, or that workers of Python keep until their time."
        );
    }
}
