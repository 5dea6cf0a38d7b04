//! Recording that a marked message is about to run.

use super::RedisStore;
use super::limits::{CHUNK, REMEMBER_CRASHES_SECONDS};
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{Claim, Registration};

pub(super) async fn run(
    store: &RedisStore,
    registration: &Registration,
    claims: &[Claim],
) -> Result<Vec<bool>, StoreError> {
    let mut held = Vec::with_capacity(claims.len());
    for chunk in claims.chunks(CHUNK) {
        let mut call = store.script(&store.scripts.start);
        call.text(registration.worker.as_str()).count(REMEMBER_CRASHES_SECONDS);
        for of_queue in chunk.chunk_by(|one, other| one.queue == other.queue) {
            let queue = of_queue.first().map_or("", |claim| QueueName::as_str(&claim.queue));
            call.text(queue).count(of_queue.len());
            for claim in of_queue {
                call.text(&claim.id);
            }
        }
        let answers: Vec<bool> = call.run(&store.pulse).await?;
        held.extend(answers);
    }
    Ok(held)
}
