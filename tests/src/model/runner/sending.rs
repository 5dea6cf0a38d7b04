//! Sending.

use super::{Kind, Operation, Runner, Wrong, refused};
use common::{
    message::{Message, Raw, option},
    store::PRIORITIES,
};
use std::time::Duration;

/// Delays that are over with a beat, or two, or some; and one that outlasts all but the longest jumps.
const DELAYS: [Duration; 5] = [
    Duration::from_millis(1_100),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(60),
    Duration::from_secs(3 * 86_400),
];

impl Runner {
    pub(super) fn delay(operation: Operation) -> Duration {
        DELAYS[operation.pick(2, DELAYS.len())]
    }

    fn priority(operation: Operation) -> i64 {
        // One beyond what is told apart.
        let all = [-2, -1, 1, 2, i64::from(*PRIORITIES.end()) + 7];
        all[operation.pick(1, all.len())]
    }

    /// New messages, plain or not.
    pub(super) fn messages(&mut self, operation: Operation) -> Vec<Message> {
        let queue = operation.pick(0, self.queues.len());
        let mut message = self.message(queue);
        let now = self.clock.now();
        match operation.kind {
            Kind::EnqueuePrioritised => message.options.set(option::PRIORITY, Raw::from(Self::priority(operation))),
            Kind::EnqueueDelayed => message.set_eta(Some(now + Self::delay(operation))),
            Kind::EnqueueOverdue => message.set_eta(Some(now)),
            Kind::EnqueueSeveral => {
                let mut urgent = self.message(queue);
                urgent.options.set(option::PRIORITY, Raw::from(Self::priority(operation)));
                let mut delayed = self.message(queue);
                delayed.set_eta(Some(now + Self::delay(operation)));
                delayed.options.set(option::PRIORITY, Raw::from(Self::priority(operation)));
                let mut overdue = self.message(queue);
                overdue.set_eta(Some(now));
                return vec![message, urgent, self.message(queue + 1), delayed, overdue, self.message(queue)];
            }
            _ => {}
        }
        vec![message]
    }

    /// One that was sent before, as it was, or with another body.
    fn known(&mut self, operation: Operation) -> Message {
        let mut message = self.sent[operation.pick(0, self.sent.len())].clone();
        if operation.kind == Kind::EnqueueTwin {
            self.last += 1;
            message.args = vec![Raw::from(self.last)];
            if operation.pick(1, 2) == 0 {
                message.set_eta(None);
            }
        }
        message
    }

    pub(super) async fn send(&mut self, operation: Operation) -> Result<(), Wrong> {
        let messages = match operation.kind {
            Kind::EnqueueAgain | Kind::EnqueueTwin => vec![self.known(operation)],
            _ => self.messages(operation),
        };
        self.tell(|| format!("{}: {}", operation.kind, shown(&messages)));
        self.enqueue(&messages).await?;
        if operation.kind == Kind::EnqueueUnanswered {
            // Whoever does not know what became of it sends it again.
            self.enqueue(&messages).await?;
        }
        Ok(())
    }

    async fn enqueue(&mut self, messages: &[Message]) -> Result<(), Wrong> {
        self.store.enqueue(messages).await.map_err(refused)?;
        for message in messages {
            self.places.enqueue(message);
            self.sent.push(message.clone());
        }
        Ok(())
    }
}

/// Messages for people.
pub(super) fn shown(messages: &[Message]) -> String {
    let one = |message: &Message| {
        let delay = message
            .eta(super::START)
            .map_or(String::new(), |eta| format!(" due +{} ms", eta.since(super::START).as_millis()));
        let priority = match message.priority() {
            0 => String::new(),
            priority => format!(" at priority {priority}"),
        };
        format!("{} {message} in {}{delay}{priority}", message.message_id, message.queue_name)
    };
    messages.iter().map(one).collect::<Vec<_>>().join(", ")
}
