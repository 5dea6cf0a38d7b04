//! One look at a message: what is kept of it, or where it is.

use std::ops::Bound;

use super::{Queue, World};
use crate::clock::Timestamp;
use crate::message::{Message, MessageId};
use crate::store::{DeadLetter, Look, Looked, Place, State};

impl World {
    pub(in crate::stores::memory) fn look(&self, look: &Look, now: Timestamp) -> Looked {
        let kept = look.keys.iter().map(|key| self.stored(key, now)).collect();
        let mut looked = Looked { kept, place: Place::Open };
        if looked.is_kept() {
            return looked;
        }
        let found = self.queues.get(&look.queue).and_then(|queue| queue.place_of(&look.id));
        looked.place = found.map_or(Place::Nowhere, |(name, state)| {
            let told = match &state {
                State::Claimed { worker, .. } => self.stored(&look.told_by(worker), now),
                _ => None,
            };
            Place::At { name, state, told }
        });
        looked
    }
}

impl Queue {
    /// Where a message is, and under which name: rather alive than dead, and of its dead letters the last one.
    fn place_of(&self, id: &MessageId) -> Option<(String, State)> {
        let from: (Bound<&str>, _) = (Bound::Included(id.as_str()), Bound::Unbounded);
        let from = self.bodies.range::<str, _>(from).take_while(|(name, _)| name.starts_with(id.as_str()));
        let alive = from.filter(|(name, body)| is_of(name, body, id)).find_map(|(name, _)| {
            let state = self.state(name)?;
            Some((name.to_string(), state))
        });
        alive.or_else(|| {
            let dead = self.dead.iter().filter(|letter| is_of(&letter.id, &letter.bytes, id));
            let DeadLetter { id: name, reason, died, .. } = dead.last()?;
            Some((name.clone(), State::Dead { died: *died, reason: reason.clone() }))
        })
    }
}

/// Whether what lies under a name, which begins with the id of the message, is this one. Without a body that can be read, its name says
/// it.
fn is_of(name: &str, body: &[u8], id: &MessageId) -> bool {
    let Some(rest) = name.strip_prefix(id.as_str()) else { return false };
    let is_named = rest.is_empty() || rest.starts_with(['#', '+']);
    is_named && Message::decode(body, Timestamp::EPOCH).map_or(true, |message| message.message_id == *id)
}
