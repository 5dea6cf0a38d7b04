//! A message as the store has it: its bytes, under an id that the bytes name.

use super::scripts::Call;
use crate::clock::Timestamp;
use crate::message::{Message, Raw, option};
use crate::queue_name::QueueName;
use crate::store::{PRIORITIES, fresh_name};

/// Comes before the time in the name of what lies where Python's workers look; the scripts know it too.
const SHARED: char = '~';

/// How a message begins.
fn head(queue: &str) -> String {
    format!(r#"{{"queue_name":"{queue}""#)
}

/// Whether a name is one of [`Record::shared`].
pub(super) fn is_shared(id: &[u8]) -> bool {
    let Some(at) = id.iter().rposition(|byte| *byte == b'~') else { return false };
    let (name, time) = (&id[..at], &id[at + 1..]);
    let is_fresh =
        name.len() > 8 && name[name.len() - 9] == b'#' && name[name.len() - 8..].iter().all(u8::is_ascii_hexdigit);
    is_fresh && !time.is_empty() && time.iter().all(u8::is_ascii_digit)
}

/// One message, ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) queue: QueueName,
    pub(super) id: String,
    pub(super) body: Vec<u8>,
    /// What decides where it goes; both zero for most.
    pub(super) due: i64,
    pub(super) priority: i32,
}

impl Record {
    /// Under an id: Python acknowledges by what the bytes say.
    pub(super) fn new(message: &Message, id: &str, now: Timestamp) -> Self {
        Self {
            queue: message.queue_name.clone(),
            id: id.to_owned(),
            body: encode(message, id),
            due: message.eta(now).map_or(0, Timestamp::as_millis),
            priority: message.priority().clamp(*PRIORITIES.start(), *PRIORITIES.end()),
        }
    }

    /// Under a fresh id, by which it is found all the same.
    pub(super) fn fresh(message: &Message, now: Timestamp) -> Self {
        Self::new(message, &fresh_name(message), now)
    }

    /// Under a fresh id that says until when the message lies where Python's workers look: nobody here knows its actor. Without an
    /// eta, they run it as soon as they find it; they acknowledge it in the queue that it names, which is the delay queue.
    pub(super) fn shared(message: &Message, until: Timestamp, now: Timestamp) -> Self {
        let mut message = message.clone();
        message.set_eta(None);
        let id = format!("{}{SHARED}{until}", fresh_name(&message));
        let mut record = Self { due: until.as_millis(), ..Self::new(&message, &id, now) };
        let (named, delayed) = (head(message.queue_name.as_str()), head(&message.queue_name.delay()));
        record.body.splice(..named.len(), delayed.bytes());
        record
    }

    /// Under the id that a message has when it is first enqueued: whoever repeats it finds it.
    pub(super) fn first(message: &Message, now: Timestamp) -> Self {
        Self::new(message, message.message_id.as_str(), now)
    }

    /// Whether it goes to the end of the list at once.
    pub(super) fn is_plain(&self) -> bool {
        self.due == 0 && self.priority == 0
    }

    /// Appends what the scripts' `put` wants to know.
    pub(super) fn put(&self, call: &mut Call<'_>, fleet: &str) {
        call.text(self.queue.as_str())
            .text(fleet)
            .text(&self.id)
            .number(self.due)
            .number(self.priority)
            .bytes(&self.body);
    }
}

/// The bytes of a message that lies under `id`.
pub(super) fn encode(message: &Message, id: &str) -> Vec<u8> {
    let mut message = message.clone();
    message.options.set(option::REDIS_MESSAGE_ID, Raw::from(id));
    message.encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Entries, MessageId};

    #[test]
    fn a_shared_record_is_known_by_its_name_and_has_no_eta() {
        let until = Timestamp::from_millis(1_795_485_701_326);
        let mut message = Message {
            queue_name: QueueName::default(),
            actor_name: "new".into(),
            args: Vec::new(),
            kwargs: Entries::default(),
            options: Entries::default(),
            message_id: MessageId::from("m~1"),
            message_timestamp: Timestamp::EPOCH,
        };
        message.set_eta(Some(Timestamp::EPOCH));
        let record = Record::shared(&message, until, Timestamp::EPOCH);
        assert!(is_shared(record.id.as_bytes()) && record.id.ends_with("~1795485701326"), "{}", record.id);
        assert_eq!(record.due, until.as_millis());
        let body = String::from_utf8(record.body).unwrap();
        assert!(
            body.starts_with(r#"{"queue_name":"default.DQ","actor_name":"new","#) && !body.contains("eta"),
            "{body}"
        );
        for other in [
            "",
            "m",
            "m~1",
            "m#0badcafe",
            "m#0badcafe~",
            "m#0badcafe~x",
            "#short~1",
            &Record::fresh(&message, until).id,
        ] {
            assert!(!is_shared(other.as_bytes()), "{other}");
        }
    }
}
