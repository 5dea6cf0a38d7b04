//! The names of keys, as far as Rust needs them; the scripts build theirs by the same rules.

use uuid::Uuid;

use crate::queue_name::{QueueName, is_taken};
use crate::store::WorkerId;

/// How the hash of bodies of a queue ends.
const BODIES: &str = ".msgs";

/// Builds the keys of one namespace.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    namespace: String,
}

impl Keys {
    pub(super) fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned() }
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The list of what is ready, oldest first.
    pub(super) fn ready(&self, queue: &QueueName) -> String {
        format!("{}:{queue}", self.namespace)
    }

    /// The sorted set of what is ready with a priority.
    pub(super) fn held(&self, queue: &QueueName) -> String {
        format!("{}:{queue}@held", self.namespace)
    }

    /// The sorted set of what is delayed, by its time.
    pub(super) fn due(&self, queue: &QueueName) -> String {
        format!("{}:{queue}@due", self.namespace)
    }

    /// The list that delayed messages of others come in by.
    pub(super) fn inbox(&self, queue: &QueueName) -> String {
        format!("{}:{}", self.namespace, queue.delay())
    }

    /// The set of queues that nothing is fetched from.
    pub(super) fn paused(&self) -> String {
        format!("{}:@paused", self.namespace)
    }

    /// The channel by which a waiting worker is called to listen.
    pub(super) fn call(&self, member: &str) -> String {
        format!("{}:@call.{member}", self.namespace)
    }

    /// What workers of the same queues have in common.
    pub(super) fn group(queues: &[QueueName]) -> String {
        let mut names: Vec<&str> = queues.iter().map(QueueName::as_str).collect();
        names.sort_unstable();
        Uuid::new_v5(&Uuid::NAMESPACE_OID, names.join(" ").as_bytes()).to_string()
    }

    /// Whether a key belongs to a queue.
    pub(super) fn is_of(&self, key: &str, queue: &QueueName) -> bool {
        let Some(name) = key.strip_prefix(&self.namespace).and_then(|rest| rest.strip_prefix(':')) else {
            return false;
        };
        let of_worker = name.strip_prefix("__acks__.").and_then(|rest| rest.split_once('.'));
        let name = of_worker.map_or(name, |(_, name)| name);
        let is_end =
            |rest: &str| rest.is_empty() || [".DQ", ".XQ", BODIES, "@"].iter().any(|end| rest.starts_with(end));
        name.strip_prefix(queue.as_str()).is_some_and(is_end)
    }

    /// What a worker had not started by its last beats.
    pub(super) fn waiting(&self, worker: &WorkerId) -> String {
        format!("{}:@waiting.{}", self.namespace, worker.as_str())
    }

    /// A pattern for the hashes of bodies.
    pub(super) fn bodies_pattern(&self) -> String {
        format!("{}:*{BODIES}", escape(&self.namespace))
    }

    /// The queue that a hash of bodies belongs to; none for a key of somebody whose namespace starts with ours, nor for a queue
    /// of a name that no queue may have: what Python may have put there is not touched.
    pub(super) fn queue_of(&self, key: &str) -> Option<QueueName> {
        let name = key.strip_prefix(&self.namespace)?.strip_prefix(':')?.strip_suffix(BODIES)?;
        let queue = QueueName::canonical(name);
        Self::may_be_queue(&queue).then_some(queue)
    }

    /// Whether a queue of this name is touched.
    pub(super) fn may_be_queue(queue: &QueueName) -> bool {
        !queue.as_str().contains(':') && !is_taken(queue.as_str())
    }

    /// A pattern for all sets of claims.
    pub(super) fn all_claims_pattern(&self) -> String {
        format!("{}:__acks__.*", escape(&self.namespace))
    }

    /// What a worker has fetched from, by the key of its claims; none for those of others.
    pub(super) fn claimed_from<'a>(&self, key: &'a str, worker: &str) -> Option<&'a str> {
        let claims = key.strip_prefix(&self.namespace)?.strip_prefix(":__acks__.")?;
        claims.strip_prefix(worker)?.strip_prefix('.')
    }

    /// The worker, a dot, and what it has fetched from, by the key of its claims.
    pub(super) fn claims_of_anybody<'a>(&self, key: &'a str) -> Option<&'a str> {
        key.strip_prefix(&self.namespace)?.strip_prefix(":__acks__.")
    }

    /// The virtual worker that claims what only Rust can order in a queue. The same for all members of the fleet, of one
    /// length for all queues, so that none is the prefix of another.
    pub(super) fn fleet(&self, queue: &QueueName) -> String {
        let name = format!("{}:{queue}", self.namespace);
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).to_string()
    }
}

/// Whether a key of a queue tells only of what is delayed in it.
pub(super) fn is_of_delays(key: &[u8]) -> bool {
    key.ends_with(b"@due") || key.ends_with(b".DQ")
}

/// Whether a key of a queue is the index of what is held by priority in it.
pub(super) fn is_of_priorities(key: &[u8]) -> bool {
    key.ends_with(b"@held")
}

/// Takes the meaning off the special characters of a pattern.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        if matches!(char, '*' | '?' | '[' | ']' | '^' | '-' | '\\') {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_is_the_same_everywhere_and_another_for_each_queue() {
        let keys = Keys::new("dramatiq");
        let fleet = keys.fleet(&QueueName::default());
        assert_eq!(fleet, Keys::new("dramatiq").fleet(&QueueName::default()));
        assert_ne!(fleet, Keys::new("other").fleet(&QueueName::default()));
        assert_ne!(fleet, keys.fleet(&QueueName::canonical("mail")));
        assert_eq!(fleet.len(), 36);
    }

    #[test]
    fn keys_tell_whether_they_are_of_what_is_delayed() {
        let (keys, queue) = (Keys::new("n"), QueueName::canonical("mail"));
        let told = [keys.ready(&queue), keys.held(&queue), keys.due(&queue), keys.inbox(&queue), keys.paused()];
        assert_eq!(told.each_ref().map(|key| is_of_delays(key.as_bytes())), [false, false, true, true, false]);
        assert_eq!(told.map(|key| is_of_priorities(key.as_bytes())), [false, true, false, false, false]);
    }

    #[test]
    fn a_pattern_means_its_characters() {
        assert_eq!(Keys::new("{a}*").all_claims_pattern(), r"{a}\*:__acks__.*");
    }

    #[test]
    fn keys_tell_their_queues_and_workers() {
        let keys = Keys::new("n");
        for key in ["n:mail.msgs", "n:mail.DQ.msgs", "n:mail.XQ.msgs"] {
            assert_eq!(keys.queue_of(key), Some(QueueName::canonical("mail")));
        }
        let taken = ["n:__heartbeats__.msgs", "n:mail.msgs.msgs", "n:mail.DQ.DQ.msgs", "n:__acks__.w.mail.msgs"];
        for key in ["n:other:mail.msgs", "nn:mail.msgs", "n:mail"].into_iter().chain(taken) {
            assert_eq!(keys.queue_of(key), None, "{key}");
        }
        assert_eq!(keys.claimed_from("n:__acks__.w.mail.DQ", "w"), Some("mail.DQ"));
        let mail = QueueName::canonical("mail");
        for key in ["n:mail", "n:mail.DQ", "n:mail.msgs", "n:mail@due", "n:mail.XQ@why", "n:__acks__.w.mail"] {
            assert!(keys.is_of(key, &mail), "{key}");
        }
        for key in ["n:mailer", "n:mail.held", "m:mail", "n:__acks__.mail.other"] {
            assert!(!keys.is_of(key, &mail), "{key}");
        }
        assert_eq!(keys.claimed_from("n:__acks__.ww.mail", "w"), None);
    }
}
