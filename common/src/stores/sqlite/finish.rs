//! Finishing: a batch in one transaction.

use rusqlite::params;

use super::SqliteStore;
use super::moves::{Record, Tx, end_letter, parts};
use super::queries::worker_number;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::store::{Body, Completion, Counted, Disposition, Effect, Finished, Registration};
use crate::stores::shared::batch::order;

pub(super) async fn run(
    store: &SqliteStore,
    registration: &Registration,
    completions: &[Completion],
) -> Result<Vec<Finished>, StoreError> {
    let now = store.clock.now();
    // Whoever tries to finish a message has not forgotten it.
    store.registered.remember(&registration.worker, completions);
    let (namespace, registration, completions, bell) =
        (store.namespace.clone(), registration.clone(), completions.to_vec(), store.bell.clone());
    store
        .write_rows(completions.len(), move |connection| {
            let mut tx = Tx::new(connection, &namespace);
            let Some(worker) = worker_number(connection, &namespace, registration.worker.as_str())? else {
                return Ok(vec![Finished::ClaimLost; completions.len()]);
            };
            let mut answers = vec![Finished::ClaimLost; completions.len()];
            for place in order(&completions) {
                answers[place] = finish(&mut tx, worker, &completions[place], now)?;
            }
            if completions
                .iter()
                .any(|completion| completion.disposition != Disposition::Ack || !completion.effects.is_empty())
            {
                bell.ask();
            }
            Ok(answers)
        })
        .await
}

/// Ends one claim, if the worker has it.
fn finish(tx: &mut Tx<'_>, worker: i64, completion: &Completion, now: Timestamp) -> rusqlite::Result<Finished> {
    let done = |is_done| if is_done { Finished::Done } else { Finished::ClaimLost };
    let Some(queue) = tx.find_queue(&completion.claim.queue)? else { return Ok(done(false)) };
    if completion.disposition == Disposition::Ack && completion.effects.is_empty() {
        let Some((id, seq)) = parts(&completion.claim.id) else { return Ok(done(false)) };
        let mut gone = tx
            .connection
            .prepare_cached("DELETE FROM messages WHERE seq = ? AND id = ? AND queue = ? AND worker = ?")?;
        return Ok(done(gone.execute(params![seq, id, queue, worker])? == 1));
    }
    let is_done = if completion.disposition == Disposition::StaysDead {
        end_letter(tx, queue, &completion.claim.id)?
    } else {
        settle(tx, worker, queue, completion, now)?
    };
    if !is_done {
        return Ok(done(false));
    }
    let mut finished = Finished::Done;
    for effect in &completion.effects {
        match effect {
            Effect::Enqueue(message) => tx.put(&Record::new(message, now))?,
            Effect::Store { key, value, ttl } => tx.keep(key, value, now + *ttl)?,
            Effect::Count(count) => match tx.count(count, now)? {
                Counted::Last => {
                    for message in &count.then {
                        tx.put(&Record::new(message, now))?;
                    }
                }
                Counted::Unknown => finished = Finished::Uncounted,
                Counted::Known | Counted::LastAgain => {}
            },
        }
    }
    Ok(finished)
}

/// Moves a claimed message to where it goes, if the worker has it.
fn settle(tx: &mut Tx<'_>, worker: i64, queue: i64, completion: &Completion, now: Timestamp) -> rusqlite::Result<bool> {
    let Some(held) = tx.held(queue, &completion.claim.id)?.filter(|held| held.worker == Some(worker)) else {
        return Ok(false);
    };
    match (&completion.disposition, &held.cancelled) {
        (Disposition::StaysDead, _) => return Ok(false),
        (Disposition::Ack, _) => tx.remove(held.seq)?,
        (Disposition::Release, None) => tx.release(&held)?,
        (Disposition::Release, Some(reason)) => tx.dead_letter_unread(&held, reason, now)?,
        (
            Disposition::Requeue(message) | Disposition::Retry(_, message) | Disposition::Defer(_, message),
            Some(reason),
        ) => tx.dead_letter(&held, &message.encode(), reason, now, false)?,
        (Disposition::DeadLetter(Body::Message(message), reason), _) => {
            tx.dead_letter(&held, &message.encode(), reason, now, true)?;
        }
        (Disposition::Requeue(message), None) => {
            tx.remove(held.seq)?;
            tx.add(&Record::moved(message, None, now))?;
        }
        (Disposition::Retry(due, message) | Disposition::Defer(due, message), None) => {
            tx.remove(held.seq)?;
            let row = tx.add(&Record::moved(message, Some(*due), now))?;
            if let Disposition::Defer(..) = completion.disposition {
                tx.note(row, held.note)?;
            }
        }
        (Disposition::DeadLetter(Body::Raw(bytes), reason), _) => tx.dead_letter(&held, bytes, reason, now, true)?,
    }
    Ok(true)
}
