//! Dead letters whose end is still to be made.

use super::RedisStore;
use super::limits::SLICE;
use super::scripts::millis;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{Claim, Unended};

/// What the script says of one: queue, name, reason, when it died, whether its body is brought, the body.
type Letter = (String, Vec<u8>, Vec<u8>, f64, bool, Vec<u8>);

/// Of some of the queues, if they are many; as many as were asked for, or as fit into one answer.
pub(super) async fn run(store: &RedisStore, queues: &[QueueName], limit: usize) -> Result<Vec<Unended>, StoreError> {
    let mut call = store.script(&store.scripts.unended);
    call.count(limit);
    for queue in queues.iter().take(SLICE) {
        call.text(queue.as_str());
    }
    let letters: Vec<Letter> = call.run(&store.link).await?;
    let unended = |(queue, name, reason, died, is_brought, bytes): Letter| Unended {
        claim: Claim { queue: QueueName::canonical(&queue), id: String::from_utf8_lossy(&name).into() },
        bytes: is_brought.then_some(bytes),
        reason: String::from_utf8_lossy(&reason).into_owned(),
        died: millis(died),
    };
    Ok(letters.into_iter().map(unended).collect())
}
