//! How the members of a group count.

use std::time::Duration;

use super::{DEADLINE, Fixture, Peer, numbers};
use crate::clock::Stopwatch;
use crate::message::{Message, MessageId};
use crate::store::{Body, Completion, Count, Disposition, Effect, Finished, GroupInfo, MemberEnd, NewGroup};

/// A group, and what comes after it.
struct Group {
    name: String,
    then: Vec<Message>,
}

impl Group {
    async fn open(fixture: &Fixture, members: u32, then: Vec<Message>) -> Self {
        let group = Self { name: format!("group of {}", MessageId::random()), then };
        assert!(group.open_as(fixture, members, Duration::from_secs(60)).await, "it is new");
        group
    }

    async fn open_as(&self, fixture: &Fixture, members: u32, ttl: Duration) -> bool {
        fixture.store.open_group(&NewGroup { name: self.name.clone(), members, ttl }).await.expect("opened")
    }

    fn count(&self, member: impl Into<Option<u32>>, end: MemberEnd) -> Effect {
        Effect::Count(Count {
            group: self.name.clone(),
            member: member.into(),
            end,
            ttl: Duration::from_secs(60),
            then: self.then.clone(),
        })
    }

    /// Runs a message as this member, to this end.
    async fn end(&self, fixture: &Fixture, worker: &Peer, member: impl Into<Option<u32>>, end: MemberEnd) -> Finished {
        let message = fixture.message(0);
        let disposition = match end {
            MemberEnd::Done => Disposition::Ack,
            MemberEnd::Failed { .. } => Disposition::DeadLetter(Body::Message(message.clone()), "no".to_owned()),
        };
        fixture.enqueue(&[message]).await;
        let claim = worker.fetch_one().await.claim;
        worker.finish_with(&claim, disposition, vec![self.count(member, end)]).await
    }

    /// How many are left, and how many have failed.
    async fn info(&self, fixture: &Fixture) -> Option<(u32, u32)> {
        let info = fixture.store.group(&self.name).await.expect("looked");
        info.map(|GroupInfo { left, failed }| (left, failed))
    }
}

const FAILED: MemberEnd = MemberEnd::Failed { counts: false };

/// However often it ends; and not at all where its end has no effect.
pub async fn a_member_of_a_group_counts_once(fixture: &Fixture) {
    let (worker, other) = (fixture.worker().await, fixture.other_worker().await);
    let group = Group::open(fixture, 3, Vec::new()).await;
    for _ in 0..3 {
        assert_eq!(group.end(fixture, &worker, 1, MemberEnd::Done).await, Finished::Done);
        assert_eq!(group.info(fixture).await, Some((2, 0)));
    }
    fixture.enqueue(&[fixture.message(1)]).await;
    let claim = worker.fetch_one().await.claim;
    let count = || vec![group.count(2, MemberEnd::Done)];
    assert_eq!(other.finish_with(&claim, Disposition::Ack, count()).await, Finished::ClaimLost);
    assert_eq!(group.info(fixture).await, Some((2, 0)), "the other one holds it");
    assert_eq!(worker.finish_with(&claim, Disposition::Ack, count()).await, Finished::Done);
    assert_eq!(group.info(fixture).await, Some((1, 0)));
}

/// With the end of the last member; and never again, even where members are run once more.
pub async fn what_comes_after_a_group_comes_with_its_last_member(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let then = vec![fixture.message(7), fixture.delayed(8, Duration::from_secs(60)), fixture.prioritised(9, -1)];
    let group = Group::open(fixture, 2, then).await;
    group.end(fixture, &worker, 0, MemberEnd::Done).await;
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
    group.end(fixture, &worker, 1, MemberEnd::Done).await;
    assert_eq!(fixture.counts().await, (2, 1, 0, 0));
    assert_eq!(group.info(fixture).await, Some((0, 0)));
    let follows = worker.fetch(9).await;
    assert_eq!(numbers(&follows), [9, 7]);
    for delivery in follows {
        worker.finish(&delivery.claim, Disposition::Ack).await;
    }
    for member in [0, 1, 2] {
        assert_eq!(group.end(fixture, &worker, member, MemberEnd::Done).await, Finished::Done);
    }
    assert_eq!(fixture.counts().await, (0, 1, 0, 0));
}

/// A batch of ends is as good as one after the other, whatever else they bring about; and groups have nothing to do with each other.
pub async fn members_of_several_groups_count_in_one_call(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let messages: Vec<_> = (1..=6).map(|number| fixture.message(number)).collect();
    fixture.enqueue(&messages).await;
    let first = Group::open(fixture, 3, vec![fixture.message(7)]).await;
    let second = Group::open(fixture, 4, vec![fixture.message(8)]).await;
    let key = format!("result of {}", first.name);
    let completions = worker.fetch(6).await.into_iter().zip(0..).map(|(delivery, number)| {
        let group = if number % 2 == 0 { &first } else { &second };
        let mut effects = vec![group.count(number / 2, MemberEnd::Done)];
        if number == 4 {
            effects.insert(0, Effect::Store { key: key.clone(), value: vec![4], ttl: Duration::from_secs(60) });
            effects.push(Effect::Enqueue(fixture.message(9)));
        }
        Completion { claim: delivery.claim, disposition: Disposition::Ack, effects }
    });
    let completions: Vec<_> = completions.collect();
    let answers = worker.store.finish(&worker.registration, &completions).await.expect("finish");
    assert!(answers.iter().all(|answer| *answer == Finished::Done), "{answers:?}");
    assert_eq!((first.info(fixture).await, second.info(fixture).await), (Some((0, 0)), Some((1, 0))));
    let mut follows = numbers(&worker.fetch(9).await);
    follows.sort_unstable();
    assert_eq!(follows, [7, 9]);
    assert_eq!(fixture.store.stored(&key).await, Ok(Some(vec![4])));
}

/// As groups of Python's have them: nothing tells one from another.
pub async fn members_without_a_number_count_each_time(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let group = Group::open(fixture, 2, vec![fixture.message(7)]).await;
    for left in [1, 0] {
        group.end(fixture, &worker, None, MemberEnd::Done).await;
        assert_eq!(group.info(fixture).await, Some((left, 0)));
    }
    let follows = worker.fetch(9).await;
    assert_eq!(numbers(&follows), [7]);
    worker.finish(&follows[0].claim, Disposition::Ack).await;
    assert_eq!(group.end(fixture, &worker, None, MemberEnd::Done).await, Finished::Done);
    assert_eq!(group.info(fixture).await, Some((0, 0)));
    assert_eq!(fixture.counts().await, (0, 0, 0, 0));
}

/// It is noted, and done after all where it is run once more; where failures count, it counts once, whatever comes of it later.
pub async fn a_failed_member_is_open_until_it_is_done(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let group = Group::open(fixture, 2, vec![fixture.message(7)]).await;
    group.end(fixture, &worker, 0, FAILED).await;
    group.end(fixture, &worker, 0, FAILED).await;
    assert_eq!(group.info(fixture).await, Some((2, 1)));
    group.end(fixture, &worker, 0, MemberEnd::Done).await;
    assert_eq!(group.info(fixture).await, Some((1, 0)));
    let failed = MemberEnd::Failed { counts: true };
    group.end(fixture, &worker, 1, failed).await;
    assert_eq!(group.info(fixture).await, Some((0, 1)));
    assert_eq!(numbers(&worker.fetch(9).await), [7]);
    group.end(fixture, &worker, 1, MemberEnd::Done).await;
    assert_eq!(group.info(fixture).await, Some((0, 0)));
    assert!(worker.fetch(9).await.is_empty());
}

/// Its end goes on, and nothing comes after it: a group that was never opened, or whose time is over.
pub async fn a_member_of_a_group_that_is_not_known_ends_all_the_same(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let never = Group { name: format!("group of {}", MessageId::random()), then: vec![fixture.message(7)] };
    assert_eq!(never.info(fixture).await, None);
    assert_eq!(never.end(fixture, &worker, 0, MemberEnd::Done).await, Finished::Uncounted);
    assert_eq!(never.info(fixture).await, None);

    let short = Group { name: format!("group of {}", MessageId::random()), then: vec![fixture.message(8)] };
    assert!(short.open_as(fixture, 1, Duration::from_millis(1)).await);
    fixture.clock.advance(Duration::from_secs(1));
    let watch = Stopwatch::start();
    while short.info(fixture).await.is_some() {
        assert!(watch.elapsed() < DEADLINE, "its time is over");
        tokio::task::yield_now().await;
    }
    assert_eq!(short.end(fixture, &worker, 0, MemberEnd::Done).await, Finished::Uncounted);
    assert!(worker.fetch(9).await.is_empty());
    assert!(short.open_as(fixture, 1, Duration::from_secs(60)).await, "its name is free");
    assert_eq!(short.end(fixture, &worker, 0, MemberEnd::Done).await, Finished::Done, "and nothing is left of it");
    assert_eq!(numbers(&worker.fetch(9).await), [8]);
}

/// Whoever does not know whether it is open opens it again.
pub async fn a_group_is_opened_once(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let group = Group::open(fixture, 2, Vec::new()).await;
    group.end(fixture, &worker, 0, MemberEnd::Done).await;
    assert!(!group.open_as(fixture, 2, Duration::from_secs(60)).await);
    assert_eq!(group.info(fixture).await, Some((1, 0)), "it stays as it is");
}
