//! Fetching: what is popped is claimed in the same step.

use redis::Value;

use super::inspect::millis;
use super::refusal::from_script;
use super::scripts::read;
use super::{CHUNK, RedisStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;
use crate::store::{Claim, Delivery, Fetched, Lease, Undecodable, Want};

impl RedisStore {
    pub(super) async fn fetch_wanted(&self, lease: &Lease, wants: &[Want]) -> Result<Fetched, StoreError> {
        let mut call = self.script(&self.scripts.fetch);
        call.text(lease.worker.as_str());
        for want in wants {
            call.text(want.queue.as_str()).text(&self.keys.fleet(&want.queue)).count(want.count.min(CHUNK));
        }
        let mut answer: Vec<Value> = call.run(&self.link).await?;
        let now = Timestamp::from_millis(read(answer.pop().unwrap_or_default())?);
        let due: String = read(answer.pop().unwrap_or_default())?;
        let refusals: Vec<String> = read(answer.pop().unwrap_or_default())?;
        let dropped: Vec<String> = read(answer.pop().unwrap_or_default())?;
        let crashed: Vec<(usize, u32)> = read(answer.pop().unwrap_or_default())?;
        if !dropped.is_empty() {
            tracing::debug!(ids = ?dropped, "dropped from the list: without a body, or held by this worker already");
        }
        let mut deliveries = Vec::new();
        for (want, found) in wants.iter().zip(answer) {
            let found: Vec<(Vec<u8>, Vec<u8>)> = read(found)?;
            deliveries.extend(found.into_iter().map(|(id, bytes)| delivery(want, &id, bytes, now)));
        }
        for (place, crashes) in crashed {
            // Places count from 1 in the script.
            if let Some(delivery) = place.checked_sub(1).and_then(|place| deliveries.get_mut(place)) {
                delivery.crashes = crashes;
            }
        }
        match refusals.first() {
            // What was claimed must not be lost over a neighbour's trouble, which comes up again at the next call.
            Some(refusal) if deliveries.is_empty() => return Err(from_script(refusal)),
            Some(refusal) => tracing::warn!("{}", from_script(refusal)),
            None => {}
        }
        Ok(Fetched { now, deliveries, next_due: due.parse().ok().map(millis) })
    }
}

fn delivery(want: &Want, id: &[u8], bytes: Vec<u8>, now: Timestamp) -> Delivery {
    let claim = Claim { queue: want.queue.clone(), id: String::from_utf8_lossy(id).into() };
    let body = Message::decode(&bytes, now).map_err(|error| Undecodable { bytes, error });
    Delivery { claim, body, crashes: 0 }
}
