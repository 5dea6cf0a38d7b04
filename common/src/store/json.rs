//! What a look at a store shows, for programs. The keys stay as they are, others may come beside them.
//!
//! Derived where the fields are all there is to say, by hand where JSON says it in other words.

use serde::ser::{SerializeMap, SerializeStruct as _};
use serde::{Serialize, Serializer};

use super::DEAD_LETTER_TTL;
use super::claims::Claim;
use super::info::{DeadLetter, State, WorkerInfo};
use crate::clock::Timestamp;
use crate::duration::millis;

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Claim", 2)?;
        fields.serialize_field("queue", &self.queue)?;
        fields.serialize_field("name", &*self.id)?;
        fields.end()
    }
}

impl Serialize for WorkerInfo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("WorkerInfo", 6)?;
        fields.serialize_field("id", &self.id)?;
        fields.serialize_field("python", &self.queues.is_none())?;
        fields.serialize_field("queues", &self.queues)?;
        fields.serialize_field("alive", &!self.is_silent)?;
        fields.serialize_field("silent_for_millis", &millis(self.silent_for))?;
        fields.serialize_field("claims", &self.claims)?;
        fields.end()
    }
}

impl State {
    /// A word for it that stays the same, for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Delayed { .. } => "delayed",
            Self::Claimed { .. } => "running",
            Self::Dead { .. } => "dead",
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("state", self.name())?;
        match self {
            Self::Ready { ahead } => fields.serialize_entry("ahead", ahead)?,
            Self::Delayed { due } => fields.serialize_entry("due", due)?,
            Self::Claimed { worker, cancelled } => {
                fields.serialize_entry("worker", worker)?;
                fields.serialize_entry("cancelled", cancelled)?;
            }
            Self::Dead { died, reason } => death(&mut fields, *died, reason.as_deref())?,
        }
        fields.end()
    }
}

impl Serialize for DeadLetter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_map(None)?;
        fields.serialize_entry("name", &self.id)?;
        death(&mut fields, self.died, self.reason.as_deref())?;
        fields.end()
    }
}

fn death<M: SerializeMap>(fields: &mut M, died: Timestamp, reason: Option<&str>) -> Result<(), M::Error> {
    fields.serialize_entry("died", &died)?;
    fields.serialize_entry("kept_until", &(died + DEAD_LETTER_TTL))?;
    fields.serialize_entry("reason", &reason)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::super::info::{Cancelled, Counts, MessageInfo, QueueInfo};
    use super::*;
    use crate::queue_name::QueueName;

    fn found(state: State) -> Value {
        let (queue, name) = (QueueName::default(), "m#1".to_owned());
        json!(MessageInfo { queue, name, bytes: b"{}".to_vec(), crashes: 2, state })
    }

    #[test]
    fn a_queue_has_its_numbers_beside_its_name() {
        let counts = Counts { ready: 1, delayed: 2, claimed: 3, dead: 4 };
        let queue = QueueInfo { name: QueueName::default(), counts, paused: true };
        let wanted = json!({ "name": "default", "ready": 1, "delayed": 2, "running": 3, "dead": 4, "paused": true });
        assert_eq!(json!(queue), wanted);
    }

    #[test]
    fn a_worker_without_queues_is_pythons() {
        let queue = QueueName::default();
        let ours = WorkerInfo {
            id: "w".to_owned(),
            queues: Some(vec![queue.clone()]),
            silent_for: Duration::from_micros(1_500),
            is_silent: false,
            claims: vec![Claim { queue, id: "m".into() }],
        };
        let wanted = json!({
            "id": "w", "python": false, "queues": ["default"], "alive": true, "silent_for_millis": 1,
            "claims": [{ "queue": "default", "name": "m" }],
        });
        assert_eq!(json!(ours), wanted);
        let python = json!(WorkerInfo { queues: None, is_silent: true, ..ours });
        assert_eq!(
            (&python["python"], &python["queues"], &python["alive"]),
            (&json!(true), &Value::Null, &json!(false))
        );
    }

    #[test]
    fn a_message_says_what_its_place_has_to_say() {
        let base = json!({ "queue": "default", "name": "m#1", "crashes": 2 });
        let due = Timestamp::from_millis(1_800_000_000_000);
        let kept_until = due + DEAD_LETTER_TTL;
        for (state, of_place) in [
            (State::Ready { ahead: None }, json!({ "state": "ready", "ahead": null })),
            (State::Delayed { due }, json!({ "state": "delayed", "due": due })),
            (
                State::Claimed { worker: "w".to_owned(), cancelled: true },
                json!({ "state": "running", "worker": "w", "cancelled": true }),
            ),
            (
                State::Dead { died: due, reason: Some("no".to_owned()) },
                json!({ "state": "dead", "died": due, "kept_until": kept_until, "reason": "no" }),
            ),
        ] {
            let mut wanted = base.clone();
            wanted.as_object_mut().unwrap().extend(of_place.as_object().unwrap().clone());
            assert_eq!(found(state), wanted);
        }
        let letter = DeadLetter { id: "m#1".to_owned(), bytes: Vec::new(), reason: None, died: due };
        assert_eq!(json!(letter), json!({ "name": "m#1", "died": due, "kept_until": kept_until, "reason": null }));
    }

    #[test]
    fn what_was_cancelled_says_where_it_was() {
        assert_eq!(json!(Cancelled::Ready), json!({ "was": "ready" }));
        assert_eq!(json!(Cancelled::Delayed), json!({ "was": "delayed" }));
        let running = Cancelled::Claimed { worker: "w".to_owned() };
        assert_eq!(json!(running), json!({ "was": "running", "worker": "w" }));
    }
}
