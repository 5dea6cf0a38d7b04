//! Python's workers, where there are any.

use super::{Kind, Operation, Runner, Wrong};
use crate::model::{
    places::{Python, PythonEnd},
    python::{Taken, taken, written},
};
use common::message::{Message, MessageId, Raw, option};

/// A Python worker's own view.
pub(super) struct PythonWorker {
    held: Vec<Held>,
}

/// A message that it fetched, and from which list.
struct Held {
    taken: Taken,
    delayed: bool,
}

impl Runner {
    /// Python's workers begin.
    pub(super) fn start_python(&mut self) {
        self.places.pythons.push(Python { id: MessageId::random().to_string(), beat: self.places.now });
        self.pythons.push(PythonWorker { held: Vec::new() });
    }

    pub(super) fn python_has_any(&self, delayed: bool) -> bool {
        self.pythons.last().is_some_and(|python| python.held.iter().any(|held| held.delayed == delayed))
    }

    /// How many delayed messages Python's worker holds that have come due.
    pub(super) fn python_has_due(&self) -> usize {
        let now = self.places.now;
        let is_due = |held: &&Held| held.delayed && held.taken.message.eta(now).is_none_or(|eta| eta <= now);
        self.pythons.last().map_or(0, |python| python.held.iter().filter(is_due).count())
    }

    pub(super) async fn python(&mut self, operation: Operation) -> Result<(), Wrong> {
        let queue = self.queues[operation.pick(0, self.queues.len())].clone();
        let delayed = matches!(operation.kind, Kind::PythonSendDelayed | Kind::PythonFetchDelayed)
            || (operation.kind == Kind::PythonMaintain && operation.pick(1, 2) == 1);
        let list = if delayed { queue.delay() } else { queue.as_str().to_owned() };
        let Some(python) = self.pythons.len().checked_sub(1) else { return Ok(()) };
        let (id, now) = (self.places.pythons[python].id.clone(), self.places.now);
        let Some(script) = self.script.clone() else { return Ok(()) };
        match operation.kind {
            Kind::PythonSend | Kind::PythonSendDelayed => {
                for _ in 0..=operation.pick(1, 2) {
                    self.last += 1;
                    let eta = delayed.then(|| now + Self::delay(operation));
                    let (name, bytes) = written(&list, self.last, eta);
                    self.tell(|| format!("Python sends {} to {list}", String::from_utf8_lossy(&bytes)));
                    script.enqueue(now, &id, &list, &name, &bytes).await;
                    let message = taken(&bytes).message;
                    self.sent.push(message.clone());
                    self.places.python_sends(&name, message, eta);
                }
            }
            Kind::PythonSendBytes => {
                let stand_in = self.message(operation.pick(0, self.queues.len()));
                let bytes = format!("no message: {}", self.last).into_bytes();
                self.tell(|| format!("Python sends {:?} to {list}", String::from_utf8_lossy(&bytes)));
                script.enqueue(now, &id, &list, stand_in.message_id.as_str(), &bytes).await;
                self.sent.push(stand_in.clone());
                self.places.bytes_are_sent(bytes, stand_in);
            }
            Kind::PythonFetch | Kind::PythonFetchDelayed | Kind::PythonMaintain => {
                let maintains = operation.kind == Kind::PythonMaintain;
                let count = if maintains { 0 } else { 1 + operation.pick(1, 4) };
                // Its own call is a sign of life, which comes first.
                self.places.python_lives(python);
                let found = script.fetch(now, &id, &list, count, maintains).await;
                self.tell(|| {
                    let shown = |taken: &Result<Taken, Vec<u8>>| match taken {
                        Ok(taken) => taken.message.to_string(),
                        Err(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                    };
                    let shown: Vec<_> = found.iter().map(shown).collect();
                    format!("Python fetches {shown:?} from {list}, maintains: {maintains}")
                });
                if maintains {
                    self.places.python_maintained(&queue, delayed);
                }
                self.places.python_took(python, &queue, delayed, count, &found)?;
                // One that cannot be read makes dramatiq forget all that came with it, for as long as it lives.
                let readable: Vec<_> = found.into_iter().collect::<Result<_, _>>().unwrap_or_default();
                self.pythons[python].held.extend(readable.into_iter().map(|taken| Held { taken, delayed }));
            }
            Kind::PythonDie => {
                self.tell(|| "Python dies".to_owned());
                self.start_python();
                return Ok(());
            }
            _ => self.python_ends(operation, python).await,
        }
        self.places.python_lives(python);
        Ok(())
    }

    async fn python_ends(&mut self, operation: Operation, python: usize) {
        let promotes = operation.kind == Kind::PythonPromote;
        let now = self.places.now;
        let fits = |held: &Held| {
            held.delayed == promotes && (!promotes || held.taken.message.eta(now).is_none_or(|eta| eta <= now))
        };
        let fit: Vec<usize> =
            (0..self.pythons[python].held.len()).filter(|at| fits(&self.pythons[python].held[*at])).collect();
        let Held { taken, delayed } = self.pythons[python].held.remove(fit[operation.pick(1, fit.len())]);
        let queue = taken.message.queue_name.clone();
        let list = if delayed { queue.delay() } else { queue.as_str().to_owned() };
        let (id, Some(script)) = (self.places.pythons[python].id.clone(), self.script.clone()) else { return };
        if promotes {
            // A copy is stored, whoever holds the original by now: dramatiq does not ask.
            let copy = without_eta(taken.message.clone());
            let name = MessageId::random();
            let mut named = copy.clone();
            named.options.set(option::REDIS_MESSAGE_ID, Raw::from(name.as_str()));
            script.enqueue(now, &id, queue.as_str(), name.as_str(), &named.encode()).await;
            self.places.python_sends(name.as_str(), copy, None);
        }
        let (command, end) = match operation.kind {
            Kind::PythonNack => ("nack", PythonEnd::Nack),
            Kind::PythonRequeue => ("requeue", PythonEnd::Requeue),
            _ => ("ack", PythonEnd::Ack),
        };
        script.end(now, command, &id, &list, &taken.name).await;
        let held = self.places.python_ended(python, &taken.name, end);
        self.tell(|| {
            format!("Python ends {} from {list}: {command}, promotes: {promotes}, held it: {held}", taken.message)
        });
    }
}

fn without_eta(mut message: Message) -> Message {
    message.set_eta(None);
    message
}
