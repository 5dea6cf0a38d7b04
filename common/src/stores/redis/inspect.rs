//! Looking inside.

use super::scripts::read;
use super::{CHUNK, RedisStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::{Counts, DeadLetter};

/// As the script answers: id, time, bytes, reason.
type Letter = (Vec<u8>, f64, Vec<u8>, String);

impl RedisStore {
    pub(super) async fn count(&self, queue: &QueueName) -> Result<Counts, StoreError> {
        let mut call = self.script(&self.scripts.counts);
        call.text(queue.as_str()).text(&self.keys.fleet(queue));
        let (ready, delayed, claimed, dead) = call.run(&self.link).await?;
        Ok(Counts { ready, delayed, claimed, dead })
    }

    pub(super) async fn read_dead_letters(
        &self,
        queue: &QueueName,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        // A call brings as many as there is room for, and at least one.
        let mut letters: Vec<Letter> = Vec::new();
        while letters.len() < limit {
            let mut call = self.script(&self.scripts.letters);
            call.text(queue.as_str()).count(letters.len()).count((limit - letters.len()).min(CHUNK));
            let found: Vec<Letter> = call.run(&self.link).await?;
            if found.is_empty() {
                break;
            }
            letters.extend(found);
        }
        Ok(letters
            .into_iter()
            .map(|(id, died, bytes, reason)| DeadLetter {
                id: String::from_utf8_lossy(&id).into_owned(),
                bytes,
                reason: (!reason.is_empty()).then_some(reason),
                died: millis(died),
            })
            .collect())
    }

    pub(super) async fn read_stored(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let answer = self.link.call(redis::cmd("LINDEX").arg(key).arg(0)).await?;
        read(answer)
    }
}

/// A score as a time.
#[expect(clippy::cast_possible_truncation, reason = "scores are whole milliseconds, or foreign")]
pub(super) fn millis(score: f64) -> Timestamp {
    Timestamp::from_millis(score as i64)
}
