//! Whom the death of a worker is blamed on.

use std::time::Duration;

use super::{Fixture, Peer, message, numbers};
use crate::message::{Raw, option};
use crate::store::{Claim, Delivery, Disposition, Finished, MAX_CRASHES};

/// What is known of a message's deaths: whether it is marked, and how many count.
fn known(delivery: &Delivery) -> (bool, u32) {
    (delivery.marked, delivery.crashes)
}

impl Fixture {
    /// Messages with these numbers, and a worker of another process that will find others dead.
    async fn survivor_of<const COUNT: usize>(&self, numbers: [i64; COUNT]) -> Peer {
        let survivor = self.other_worker().await;
        self.enqueue(&numbers.map(|number| self.message(number))).await;
        survivor.beat(&[]).await;
        survivor
    }

    /// A worker fetches one message, does something with it, and is found dead by `survivor`.
    async fn dies_with_one(&self, survivor: &Peer, fate: impl AsyncFn(&Peer, &Claim)) -> (bool, u32) {
        let victim = self.worker().await;
        let held = victim.fetch_one().await;
        fate(&victim, &held.claim).await;
        assert_eq!(self.beat_until_dead(survivor).await, 1, "it comes back");
        known(&held)
    }
}

/// It may have been running, and another one may have been the killer.
pub async fn what_a_dead_worker_held_is_marked_and_not_counted(fixture: &Fixture) {
    let survivor = fixture.survivor_of([1, 2]).await;
    for marked in [false, true, true] {
        assert_eq!(fixture.dies_with_one(&survivor, async |_, _| ()).await, (marked, 0));
    }
    let deliveries = survivor.fetch(9).await;
    assert_eq!(numbers(&deliveries), [1, 2]);
    assert_eq!(deliveries.iter().map(known).collect::<Vec<_>>(), [(true, 0), (false, 0)]);
    let again = Disposition::Requeue(message(&deliveries[0]).clone());
    assert_eq!(survivor.finish(&deliveries[0].claim, again).await, Finished::Done);
    assert_eq!(known(&survivor.fetch_one().await), (false, 0), "an attempt that ended is no death");
}

/// Marked or not; and no other death beside it.
pub async fn a_death_counts_where_the_start_was_recorded(fixture: &Fixture) {
    let survivor = fixture.survivor_of([1]).await;
    let runs = async |victim: &Peer, claim: &Claim| assert!(victim.start(claim).await);
    assert_eq!(fixture.dies_with_one(&survivor, runs).await, (false, 0));
    assert_eq!(fixture.dies_with_one(&survivor, async |_, _| ()).await, (true, 1));
    assert_eq!(fixture.dies_with_one(&survivor, runs).await, (true, 1));
    let held = survivor.fetch_one().await;
    assert_eq!(known(&held), (true, 2));
    assert_eq!(survivor.finish(&held.claim, Disposition::Release).await, Finished::Done);
    let held = survivor.fetch_one().await;
    assert_eq!(known(&held), (true, 2), "what was not run keeps the number");
    assert!(survivor.start(&held.claim).await);
    assert_eq!(survivor.finish(&held.claim, Disposition::Requeue(message(&held).clone())).await, Finished::Done);
    assert_eq!(known(&survivor.fetch_one().await), (false, 0), "a new attempt is a new message");
}

/// What kills does so soon after its start, mostly; but what kills late must not go on for ever beside others that come and go.
pub async fn what_started_long_before_the_last_one_is_passed_over_once(fixture: &Fixture) {
    let (survivor, second) = (fixture.survivor_of([1, 2, 3, 4]).await, Duration::from_secs(1));
    let mut deaths = Vec::new();
    for is_put_off in [true, false, false] {
        let victim = fixture.worker().await;
        let held = victim.fetch(9).await;
        let starts = async |number| {
            let one = held.iter().find(|one| numbers(std::slice::from_ref(*one)) == [number]).expect("it is held");
            assert!(victim.start(&one.claim).await);
        };
        starts(1).await;
        fixture.clock.advance(second);
        starts(2).await;
        starts(3).await;
        assert_eq!(fixture.beat_until_dead(&survivor).await, 4);
        let held = survivor.fetch(9).await;
        let by_number = |number| held.iter().find(|one| numbers(std::slice::from_ref(*one)) == [number]).map(known);
        deaths.push([1, 2, 3, 4].map(|number| by_number(number).expect("it came back")));
        for one in &held {
            // Once it is put off, what is known goes with it.
            let later = || Disposition::Defer(fixture.clock.now() + second, message(one).clone());
            let disposition = if is_put_off { later() } else { Disposition::Release };
            assert_eq!(survivor.finish(&one.claim, disposition).await, Finished::Done);
        }
        fixture.clock.advance(second);
        survivor.beat(&[]).await;
    }
    assert_eq!(
        deaths,
        [
            [(true, 0), (true, 1), (true, 1), (true, 0)],
            [(true, 1), (true, 2), (true, 2), (true, 0)],
            [(true, 1), (true, 3), (true, 3), (true, 0)],
        ]
    );
}

/// A worker that does not know its actor, say, must not make it immortal.
pub async fn what_is_put_off_without_a_run_keeps_what_is_known_of_deaths(fixture: &Fixture) {
    let (survivor, second) = (fixture.survivor_of([1]).await, Duration::from_secs(1));
    let runs = async |victim: &Peer, claim: &Claim| assert!(victim.start(claim).await);
    let waits = async |victim: &Peer, claim: &Claim| {
        let claims = std::slice::from_ref(claim);
        victim.beat_while(claims, claims).await;
    };
    let mut is_unknown = false;
    let mut put_off = async || {
        let held = survivor.fetch_one().await;
        let mut later = message(&held).clone();
        if is_unknown {
            later.options.set(option::UNKNOWN_SINCE, Raw::from(fixture.clock.now().as_millis()));
        }
        is_unknown = !is_unknown;
        assert_eq!(
            survivor.finish(&held.claim, Disposition::Defer(fixture.clock.now() + second, later)).await,
            Finished::Done
        );
        assert_eq!(fixture.counts().await, (0, 1, 0, 0));
        fixture.clock.advance(second);
        assert_eq!(survivor.beat(&[]).await.moved, 1);
        known(&held)
    };
    assert_eq!(put_off().await, (false, 0), "nothing is known of it");
    assert_eq!(fixture.dies_with_one(&survivor, waits).await, (false, 0));
    assert_eq!(put_off().await, (false, 0), "it was spared");
    assert_eq!(fixture.dies_with_one(&survivor, waits).await, (false, 0));
    for deaths in 0..3 {
        assert_eq!(put_off().await, (true, deaths));
        assert_eq!(put_off().await, (true, deaths));
        assert_eq!(fixture.dies_with_one(&survivor, runs).await, (true, deaths));
    }
    // Others die while it waits.
    let (held, minute) = (survivor.fetch_one().await, Duration::from_secs(60));
    let later = Disposition::Defer(fixture.clock.now() + minute, message(&held).clone());
    assert_eq!(survivor.finish(&held.claim, later).await, Finished::Done);
    fixture.enqueue(&[fixture.message(2)]).await;
    assert_eq!(fixture.dies_with_one(&survivor, runs).await, (false, 0));
    assert_eq!(survivor.finish(&survivor.fetch_one().await.claim, Disposition::Ack).await, Finished::Done);
    fixture.clock.advance(minute);
    survivor.beat(&[]).await;
    let held = survivor.fetch_one().await;
    assert_eq!((numbers(std::slice::from_ref(&held)), known(&held)), (vec![1], (true, 3)));
    let retry = Disposition::Retry(fixture.clock.now() + second, message(&held).clone());
    assert_eq!(survivor.finish(&held.claim, retry).await, Finished::Done);
    fixture.clock.advance(second);
    survivor.beat(&[]).await;
    assert_eq!(known(&survivor.fetch_one().await), (false, 0), "a retry is a new message");
}

/// Only a worker knows how many are too many.
pub async fn a_store_ends_no_message_because_of_deaths(fixture: &Fixture) {
    let survivor = fixture.survivor_of([1]).await;
    for crashes in 0..=MAX_CRASHES {
        let runs = async |victim: &Peer, claim: &Claim| assert!(victim.start(claim).await);
        assert_eq!(fixture.dies_with_one(&survivor, runs).await.1, crashes);
    }
    assert_eq!(fixture.counts().await, (1, 0, 0, 0));
}

/// Twice would make a message immortal that starts between a beat and its worker's death.
pub async fn what_waited_when_its_worker_died_is_spared_once(fixture: &Fixture) {
    let survivor = fixture.survivor_of([1]).await;
    let waits = async |victim: &Peer, claim: &Claim| {
        let claims = std::slice::from_ref(claim);
        assert_eq!(victim.beat_while(claims, claims).await.lost, []);
    };
    for marked in [false, false, true, true] {
        assert_eq!(fixture.dies_with_one(&survivor, waits).await, (marked, 0));
    }
}

/// The last beat counts, and no older one.
pub async fn what_waited_once_and_started_since_is_marked(fixture: &Fixture) {
    let survivor = fixture.survivor_of([1]).await;
    let starts = async |victim: &Peer, claim: &Claim| {
        let claims = std::slice::from_ref(claim);
        victim.beat_while(claims, claims).await;
        fixture.tick();
        victim.beat_while(claims, &[]).await;
    };
    assert_eq!(fixture.dies_with_one(&survivor, starts).await, (false, 0));
    assert_eq!(known(&survivor.fetch_one().await), (true, 0));
}

/// Whoever does not know whether it was recorded says so again.
pub async fn a_start_that_is_repeated_counts_once(fixture: &Fixture) {
    let survivor = fixture.survivor_of([1]).await;
    let runs = async |victim: &Peer, claim: &Claim| {
        assert!(victim.start(claim).await);
        assert!(victim.start(claim).await);
    };
    fixture.dies_with_one(&survivor, runs).await;
    fixture.beat_until_dead(&survivor).await;
    assert_eq!(known(&survivor.fetch_one().await), (true, 1));
}

/// Whether others fetch it or the same worker does.
pub async fn what_was_requeued_has_not_started(fixture: &Fixture) {
    let survivor = fixture.survivor_of([1]).await;
    let again = async |victim: &Peer, claim: &Claim| {
        assert!(victim.start(claim).await);
        assert_eq!(victim.finish(claim, Disposition::Release).await, Finished::Done);
        victim.fetch_one().await;
    };
    assert_eq!(fixture.dies_with_one(&survivor, again).await, (false, 0));
    assert_eq!(fixture.dies_with_one(&survivor, again).await, (true, 0));
    let held = survivor.fetch_one().await;
    assert!(survivor.start(&held.claim).await);
    assert_eq!(survivor.finish(&held.claim, Disposition::Release).await, Finished::Done);
    assert_eq!(fixture.dies_with_one(&survivor, async |_, _| ()).await, (true, 0));
    assert_eq!(known(&survivor.fetch_one().await), (true, 0));
}

/// What others hold now, what has ended, and what never was.
pub async fn only_what_a_worker_holds_can_start(fixture: &Fixture) {
    let (worker, other) = (fixture.worker().await, fixture.other_worker().await);
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let (first, second) = (worker.fetch_one().await.claim, worker.fetch_one().await.claim);
    worker.finish(&first, Disposition::Ack).await;
    let nothing = Claim { queue: fixture.queue.clone(), id: "nothing".into() };
    let claims = [first, second.clone(), nothing];
    assert_eq!(worker.store.start(&worker.registration, &claims).await.expect("start"), [false, true, false]);
    assert_eq!(other.store.start(&other.registration, &claims).await.expect("start"), [false, false, false]);
    assert_eq!(other.store.start(&other.registration, &[]).await.expect("start"), [] as [bool; 0]);
    assert_eq!(worker.finish(&second, Disposition::Ack).await, Finished::Done);
}
