//! Looking inside.

use super::scripts::read;
use super::{CHUNK, RedisStore};
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::message::Message;
use crate::queue_name::QueueName;
use crate::store::{Cancelled, Counts, DeadLetter, QueueSight, Sighting, WorkerSight};

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
        skip: usize,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, StoreError> {
        // A call brings as many as there is room for, and at least one.
        let mut letters: Vec<Letter> = Vec::new();
        while letters.len() < limit {
            let mut call = self.script(&self.scripts.letters);
            call.text(queue.as_str()).count(skip + letters.len()).count((limit - letters.len()).min(CHUNK));
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

impl RedisStore {
    pub(super) async fn list_queues(&self, _: Option<&QueueName>, _: usize) -> Result<Vec<QueueSight>, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }

    pub(super) async fn list_workers(&self, _: Option<&str>, _: usize) -> Result<Vec<WorkerSight>, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }

    pub(super) async fn find_messages(&self, _: &str, _: usize) -> Result<Vec<Sighting>, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }

    pub(super) async fn revive_letters(&self, _: &QueueName, _: &[(String, Message)]) -> Result<Vec<bool>, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }

    pub(super) async fn delete_letters(&self, _: &QueueName, _: &[String]) -> Result<Vec<bool>, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }

    pub(super) async fn cancel_message(
        &self,
        _: &QueueName,
        _: &str,
        _: &str,
    ) -> Result<Option<Cancelled>, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }

    pub(super) async fn pause_queue(&self, _: &QueueName, _: bool) -> Result<bool, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }

    pub(super) async fn purge_queue(&self, _: &QueueName) -> Result<usize, StoreError> {
        Err(StoreError::Refused("not built yet".to_owned()))
    }
}

/// A score as a time.
#[expect(clippy::cast_possible_truncation, reason = "scores are whole milliseconds, or foreign")]
pub(super) fn millis(score: f64) -> Timestamp {
    Timestamp::from_millis(score as i64)
}
