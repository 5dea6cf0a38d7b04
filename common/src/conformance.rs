//! The contract every store has to keep: a function a promise. Each panics where its promise is broken.
//!
//! [`suite!`](crate::conformance_suite) makes a test of each. Somebody with a store of his own needs a [`Fixture`]: an
//! empty store under a manual clock, and a way to open the same one a second time, as another process would.
//!
//! ```
//! use std::sync::Arc;
//! use common::clock::{Clock, Timestamp};
//! use common::conformance::{self, Fixture};
//! use common::store::Inspect;
//! use common::stores::memory::MemoryStore;
//!
//! async fn fixture() -> Fixture {
//!     let clock = Clock::manual(Timestamp::EPOCH);
//!     let store = MemoryStore::new(clock.clone());
//!     Fixture::new(clock, move || std::future::ready(Arc::new(store.clone()) as Arc<dyn Inspect>)).await
//! }
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! // In a test module: `common::conformance_suite!(fixture);`, or one promise by itself:
//! conformance::an_acknowledged_message_is_gone(&fixture().await).await;
//! # });
//! ```

mod apart;
mod beats;
mod completions;
mod deaths;
mod delays;
mod ends;
mod enqueueing;
mod fetching;
mod groups;
mod inspect;
mod limiters;
mod looks;
mod waiting;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub use self::apart::*;
pub use self::beats::*;
pub use self::completions::*;
pub use self::deaths::*;
pub use self::delays::*;
pub use self::ends::*;
pub use self::enqueueing::*;
pub use self::fetching::*;
pub use self::groups::*;
pub use self::inspect::*;
pub use self::limiters::*;
pub use self::looks::*;
pub use self::waiting::*;
use crate::clock::Clock;
use crate::message::{Message, Raw, option};
use crate::queue_name::QueueName;
use crate::store::{
    BEAT_INTERVAL, Beat, Claim, Completion, Delivery, Disposition, Effect, FetchRequest, Finished, Inspect,
    Registration,
};

/// Generous: what is waited for must come, on however slow a machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// Opens the store of a test once more, as another process would.
type Open = dyn Fn() -> Pin<Box<dyn Future<Output = Arc<dyn Inspect>> + Send>> + Send + Sync;

/// An empty store under a manual clock.
pub struct Fixture {
    store: Arc<dyn Inspect>,
    clock: Clock,
    queue: QueueName,
    open: Box<Open>,
}

impl fmt::Debug for Fixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fixture").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Fixture {
    /// A fixture; `open` opens the same store anew at each call, and the store follows `clock`.
    pub async fn new<F, O>(clock: Clock, open: O) -> Self
    where
        O: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Arc<dyn Inspect>> + Send + 'static,
    {
        let open: Box<Open> = Box::new(move || Box::pin(open()));
        Self { store: open().await, clock, queue: QueueName::default(), open }
    }

    /// A message for the fixture's queue, with one argument to know it by.
    fn message(&self, number: i64) -> Message {
        Message::new(self.queue.clone(), "count_to", [Raw::from(number)], self.clock.now())
    }

    /// The same with a priority.
    fn prioritised(&self, number: i64, priority: i64) -> Message {
        let mut message = self.message(number);
        message.options.set(option::PRIORITY, Raw::from(priority));
        message
    }

    /// The same, due after a delay.
    fn delayed(&self, number: i64, delay: Duration) -> Message {
        let mut message = self.message(number);
        message.set_eta(Some(self.clock.now() + delay));
        message
    }

    async fn enqueue(&self, messages: &[Message]) {
        self.store.enqueue(messages).await.expect("enqueue");
    }

    /// A worker of the fixture's own store.
    async fn worker(&self) -> Peer {
        Peer::register(self.store.clone(), self.queue.clone()).await
    }

    /// A worker of another process.
    async fn other_worker(&self) -> Peer {
        Peer::register((self.open)().await, self.queue.clone()).await
    }

    async fn counts(&self) -> (usize, usize, usize, usize) {
        let counts = self.store.counts(&self.queue).await.expect("counts");
        (counts.ready, counts.delayed, counts.claimed, counts.dead)
    }

    /// Lets one beat's time pass.
    fn tick(&self) {
        self.clock.advance(BEAT_INTERVAL);
    }

    /// Beats on time, as long as it takes to find a dead worker.
    async fn beat_until_dead(&self, peer: &Peer) -> usize {
        let mut moved = 0;
        for _ in 0..6 {
            self.tick();
            moved += peer.beat(&[]).await.moved;
        }
        moved
    }
}

/// A worker, as far as a store knows.
struct Peer {
    store: Arc<dyn Inspect>,
    registration: Registration,
    queue: QueueName,
}

impl Peer {
    async fn register(store: Arc<dyn Inspect>, queue: QueueName) -> Self {
        let registration = store.register(std::slice::from_ref(&queue)).await.expect("registered");
        Self { store, registration, queue }
    }

    async fn try_fetch(&self, count: usize) -> Result<Vec<Delivery>, crate::error::StoreError> {
        let requests = [FetchRequest { queue: self.queue.clone(), count, before: None }];
        self.store.fetch(&self.registration, &requests, usize::MAX).await.map(|fetched| fetched.deliveries)
    }

    async fn fetch(&self, count: usize) -> Vec<Delivery> {
        self.try_fetch(count).await.expect("fetch")
    }

    /// Fetches one that has to be there.
    async fn fetch_one(&self) -> Delivery {
        let mut deliveries = self.fetch(1).await;
        assert_eq!(deliveries.len(), 1, "a message should have been ready");
        deliveries.remove(0)
    }

    async fn finish(&self, claim: &Claim, disposition: Disposition) -> Finished {
        self.finish_with(claim, disposition, Vec::new()).await
    }

    async fn finish_with(&self, claim: &Claim, disposition: Disposition, effects: Vec<Effect>) -> Finished {
        let completions = [Completion { claim: claim.clone(), disposition, effects }];
        self.store.finish(&self.registration, &completions).await.expect("finish").remove(0)
    }

    async fn beat(&self, held: &[Claim]) -> Beat {
        self.beat_while(held, &[]).await
    }

    /// Of what it holds, some has not started.
    async fn beat_while(&self, held: &[Claim], waiting: &[Claim]) -> Beat {
        self.store.beat(&self.registration, held, waiting).await.expect("beat")
    }

    /// Records that it is about to run one.
    async fn start(&self, claim: &Claim) -> bool {
        self.store.start(&self.registration, std::slice::from_ref(claim)).await.expect("start").remove(0)
    }
}

/// The message of a delivery.
fn message(delivery: &Delivery) -> &Message {
    delivery.body.as_ref().expect("a readable message")
}

/// The numbers by which the messages are known.
fn numbers(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(|delivery| message(delivery).args[0].read().expect("a number")).collect()
}

/// Makes a test of every promise: `conformance_suite!(fixture)`, with an `async fn fixture() -> Fixture`.
#[macro_export]
macro_rules! conformance_suite {
    (@all $($how:tt)*) => {
        $crate::conformance_suite! { @each [$($how)*]
            a_message_is_fetched_as_it_was_enqueued
            messages_are_fetched_in_the_order_of_their_enqueueing
            lower_priorities_are_fetched_first
            the_same_message_sent_twice_is_stored_once
            another_message_of_the_same_id_is_kept_beside_it
            any_text_is_an_id
            a_repeated_message_is_known_while_it_runs
            what_goes_before_a_priority_is_fetched_alone
            fetch_takes_no_more_than_was_wanted
            fetch_takes_no_more_than_was_wanted_of_all_queues_together
            fetch_takes_all_that_was_wanted_from_the_one_queue_that_has_it
            a_claimed_message_is_fetched_by_nobody_else
            a_worker_fetches_nothing_from_other_queues
            a_delayed_message_is_not_ready_before_its_time
            delayed_messages_become_ready_in_the_order_of_their_times
            a_delay_of_a_year_is_kept
            a_delay_beyond_all_time_is_kept_and_disturbs_nobody
            a_delay_that_is_over_is_none
            a_repeated_delayed_message_is_known_after_its_promotion
            the_next_due_time_is_told
            an_acknowledged_message_is_gone
            an_end_that_is_repeated_is_unknown
            a_retry_comes_back_at_its_time_with_its_new_body
            a_message_made_ready_again_goes_to_the_tail_with_its_new_body
            messages_requeued_lie_at_the_head_in_order
            thousands_requeued_at_once_lie_at_the_head_in_order
            a_dead_letter_keeps_body_and_reason
            raw_bytes_can_die
            effects_happen_with_the_end
            a_result_is_stored_with_the_end
            a_result_that_is_forgotten_is_gone
            a_result_is_kept_for_as_long_as_a_store_can
            an_end_without_a_claim_has_no_effect
            each_completion_of_a_batch_is_judged_alone
            a_member_of_a_group_counts_once
            what_comes_after_a_group_comes_with_its_last_member
            members_of_several_groups_count_in_one_call
            members_without_a_number_count_each_time
            a_failed_member_is_open_until_it_is_done
            a_member_of_a_group_that_is_not_known_ends_all_the_same
            a_group_is_opened_once
            values_are_kept_without_a_claim
            waiting_for_a_result_ends_when_it_is_kept_without_a_claim
            members_are_counted_without_a_claim
            the_last_member_is_known_again_when_it_is_counted_once_more
            thousands_are_kept_and_counted_at_once
            a_dead_workers_messages_come_back_to_the_head
            a_worker_that_beats_is_never_robbed
            looks_that_come_late_find_nobody_dead
            a_worker_taken_for_dead_learns_what_it_lost_and_goes_on
            what_a_dead_worker_held_is_marked_and_not_counted
            a_death_counts_where_the_start_was_recorded
            what_started_long_before_the_last_one_is_passed_over_once
            what_is_put_off_without_a_run_keeps_what_is_known_of_deaths
            a_store_ends_no_message_because_of_deaths
            what_waited_when_its_worker_died_is_spared_once
            what_waited_once_and_started_since_is_marked
            a_start_that_is_repeated_counts_once
            what_was_requeued_has_not_started
            only_what_a_worker_holds_can_start
            what_a_lost_answer_has_claimed_comes_back
            dead_letters_expire
            a_beat_tells_that_something_is_ready
            a_worker_that_left_is_gone
            a_beat_that_comes_after_its_worker_left_does_not_register_it
            a_worker_that_leaves_with_claims_is_found_dead
            waiting_ends_at_once_when_something_is_ready
            waiting_ends_when_a_message_comes
            waiting_ends_when_something_comes_due_earlier
            a_wait_that_is_dropped_loses_nothing
            waiting_for_a_priority_ends_when_something_goes_before_it
            waiting_for_a_result_ends_when_it_is_stored
            queues_are_listed_a_page_at_a_time
            a_queue_is_looked_up_by_its_name
            workers_are_listed_with_what_they_hold
            a_message_is_found_wherever_it_is
            a_retried_message_is_found_by_the_start_of_its_id
            an_id_that_looks_like_a_name_is_found
            a_look_shows_where_a_message_is
            a_look_shows_that_a_message_is_nowhere
            a_look_shows_what_is_kept_of_a_message
            what_ends_during_a_look_is_in_its_place_or_kept
            dead_letters_are_read_a_page_at_a_time
            a_requeued_dead_letter_is_a_ready_message_under_a_new_name
            a_deleted_dead_letter_is_gone
            what_waits_and_is_cancelled_becomes_a_dead_letter
            a_worker_hears_of_a_cancellation_until_the_end
            a_cancelled_message_is_not_run_again
            what_dies_in_the_store_is_ended_by_one_worker
            every_death_in_the_store_waits_for_its_end
            a_dead_letter_that_is_requeued_or_deleted_has_no_end
            nothing_is_fetched_from_a_paused_queue
            a_purge_deletes_what_waits_and_nothing_else
            no_more_slots_are_held_than_the_limit
            a_slot_that_nobody_renews_is_free_after_its_lease
            a_renewed_slot_is_held_on
            a_late_holder_frees_no_slot_of_others
            later_holders_have_larger_numbers
            waiting_for_a_slot_ends_when_one_is_given_back
            a_bucket_lets_through_its_limit
            a_window_lets_through_its_limit
            one_party_of_a_barrier_is_the_last
            a_barrier_that_is_not_known_says_so
            waiting_for_a_barrier_ends_when_it_opens
        }
    };
    (@each [names] $($promise:ident)*) => {
        &[$(stringify!($promise)),*]
    };
    (@each [tests $fixture:path] $($promise:ident)*) => {
        $(
            #[tokio::test]
            async fn $promise() {
                $crate::conformance::$promise(&$fixture().await).await;
            }
        )*
    };
    ($fixture:path) => {
        $crate::conformance_suite! { @all tests $fixture }
    };
}

/// The names of all promises; each is a sentence.
pub const PROMISES: &[&str] = conformance_suite!(@all names);
