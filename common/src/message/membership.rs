//! What a message says of the group that it is a member of.

use super::{Message, Raw, option};
use crate::clock::Timestamp;

/// A message as a member of its group.
pub(crate) struct Membership<'a> {
    /// The group's name.
    pub(crate) group: String,
    /// Which member it is, where the group is one of this library.
    pub(crate) number: Option<u32>,
    /// What comes after the group, as it stands there.
    callbacks: Option<&'a Raw>,
    /// Whether it counts as well when it has failed for good.
    pub(crate) counts_failures: bool,
}

impl<'a> Membership<'a> {
    /// `None` where it is of no group, or of one that nobody counts.
    pub(crate) fn of(message: &'a Message) -> Option<Self> {
        let set = |name: &str| message.options.get(name).filter(|value| value.is_truthy());
        let group = set(option::GROUP_COMPLETION_UUID)?;
        let number = message.options.get(option::GROUP_MEMBER).and_then(|number| number.read().ok());
        let callbacks = set(option::GROUP_COMPLETION_CALLBACKS);
        // Without anything to send, dramatiq does not count either.
        (callbacks.is_some() || number.is_some()).then(|| Self {
            group: group.read().unwrap_or_else(|_| group.to_string()),
            number,
            callbacks,
            counts_failures: set(option::GROUP_COUNT_FAILURES).is_some(),
        })
    }

    /// What comes after the group.
    ///
    /// # Errors
    ///
    /// It cannot be sent, for this reason.
    pub(crate) fn then(&self, now: Timestamp) -> Result<Vec<Message>, String> {
        let Some(callbacks) = self.callbacks else { return Ok(Vec::new()) };
        let messages = Message::decode_all(callbacks, now).map_err(|error| error.to_string())?;
        messages.iter().try_for_each(|message| message.queue_name.check()).map_err(|error| error.to_string())?;
        Ok(messages)
    }
}
