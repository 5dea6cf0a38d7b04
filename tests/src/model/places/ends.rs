//! The ends of what died in the store.

use super::{Letter, Move, Places, Wrong, check, differ};
use common::{
    queue_name::QueueName,
    store::{Completion, Finished, Unended},
};

impl Places {
    /// The queues of a worker where an end is still to be made; of those letters, whose time is over may be gone.
    pub(super) fn with_unended(&self, worker: usize, is_surely: bool) -> Vec<QueueName> {
        let is_one = |letter: &Letter, queue: &QueueName| {
            letter.queue == *queue && letter.is_unended && !(is_surely && self.may_be_gone(letter))
        };
        let has_one = |queue: &&QueueName| self.letters.iter().any(|letter| is_one(letter, queue));
        self.workers[worker].queues.iter().filter(has_one).cloned().collect()
    }

    /// Compares dead letters whose end is still to be made; answers which is which.
    ///
    /// # Errors
    ///
    /// Where they differ.
    pub fn unended(&self, queues: &[QueueName], told: &[Unended]) -> Result<Vec<usize>, Wrong> {
        let mut found: Vec<usize> = Vec::new();
        for told in told {
            let is_it = |letter: &Letter| {
                let is_body = || told.bytes.as_ref().is_some_and(|bytes| check::is_body(&letter.body, bytes, self.now));
                letter.is_unended
                    && letter.queue == told.claim.queue
                    && letter.reason.as_ref() == Some(&told.reason)
                    && letter.died == told.died
                    && is_body()
            };
            let at = (0..self.letters.len()).find(|at| !found.contains(at) && is_it(&self.letters[*at]));
            found.push(at.ok_or_else(|| Wrong(format!("no end of this should be left to make: {told:?}")))?);
        }
        let is_missing = |(at, letter): &(usize, &Letter)| {
            letter.is_unended && queues.contains(&letter.queue) && !self.may_be_gone(letter) && !found.contains(at)
        };
        match self.letters.iter().enumerate().find(is_missing) {
            None => Ok(found),
            Some((_, missing)) => Err(Wrong(format!("the end of this is still to be made, untold: {missing:?}"))),
        }
    }

    /// A worker ends what died in the store; the first one does, and nothing happens for the others.
    ///
    /// # Errors
    ///
    /// What should have been answered.
    pub fn ended(&mut self, letter: usize, completion: &Completion, told: &Finished) -> Result<(), Wrong> {
        let is_first = std::mem::replace(&mut self.letters[letter].is_unended, false);
        let expected = if is_first { Finished::Done } else { Finished::ClaimLost };
        if is_first {
            self.carry_out(&completion.effects, None);
            self.happened(Move::Ended, 1);
        }
        differ("the answer to an end", &expected, told)
    }
}
