//! What is written where, and in which order; seen with a store's own calls.

use std::slice;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::clock::{Clock, Timestamp};
use common::error::StoreError;
use common::message::{Message, Raw};
use common::queue_name::QueueName;
use common::store::{
    BEAT_INTERVAL, Claim, Completion, Count, Disposition, Effect, FetchRequest, Finished, GroupInfo, Inspect as _,
    MemberEnd, NewGroup, Registration, Store as _,
};
use common::stores::split::SplitStore;

use crate::faulty::Places;

const TTL: Duration = Duration::from_secs(60);

/// One process on the three places.
struct Process {
    store: SplitStore,
    registration: Registration,
}

impl Process {
    async fn start(places: &Places) -> Self {
        let store = places.open();
        let registration = store.register(&[QueueName::default()]).await.unwrap();
        Self { store, registration }
    }

    async fn fetch(&self) -> Vec<Claim> {
        let requests = [FetchRequest { queue: QueueName::default(), count: 99, before: None }];
        let fetched = self.store.fetch(&self.registration, &requests, 99).await.unwrap();
        fetched.deliveries.into_iter().map(|delivery| delivery.claim).collect()
    }

    async fn finish(&self, completions: &[Completion]) -> Result<Vec<Finished>, StoreError> {
        self.store.finish(&self.registration, completions).await
    }

    /// The numbers of what is ready.
    async fn ready(&self) -> Vec<u32> {
        let requests = [FetchRequest { queue: QueueName::default(), count: 99, before: None }];
        let fetched = self.store.fetch(&self.registration, &requests, 99).await.unwrap();
        fetched.deliveries.iter().map(|delivery| delivery.body.as_ref().unwrap().args[0].read().unwrap()).collect()
    }
}

fn clock() -> Clock {
    Clock::manual(Timestamp::from_millis(1_800_000_000_000))
}

fn message(clock: &Clock, number: u32) -> Message {
    Message::new(QueueName::default(), "work", [Raw::from(number)], clock.now())
}

fn result(key: &str) -> Effect {
    Effect::Store { key: key.to_owned(), value: key.as_bytes().to_vec(), ttl: TTL }
}

fn count(group: &str, member: Option<u32>, then: &Message) -> Effect {
    let (group, end, then) = (group.to_owned(), MemberEnd::Done, vec![then.clone()]);
    Effect::Count(Count { group, member, end, ttl: TTL, then })
}

fn done(claim: &Claim, effects: Vec<Effect>) -> Completion {
    Completion { claim: claim.clone(), disposition: Disposition::Ack, effects }
}

async fn open_group(process: &Process, name: &str, members: u32) {
    assert_eq!(process.store.open_group(&NewGroup { name: name.to_owned(), members, ttl: TTL }).await, Ok(true));
}

async fn left(process: &Process, name: &str) -> u32 {
    let GroupInfo { left, .. } = process.store.group(name).await.unwrap().unwrap();
    left
}

#[tokio::test]
async fn each_thing_is_written_in_its_place_with_one_call_a_batch() {
    let (clock, places) = (clock(), Places::new(&clock()));
    let process = Process::start(&places).await;
    open_group(&process, "all", 20).await;
    let next = message(&clock, 100);
    let messages: Vec<_> = (0..20).map(|number| message(&clock, number)).collect();
    process.store.enqueue(&messages).await.unwrap();
    let completions = process.fetch().await.into_iter().zip(0..).map(|(claim, number)| {
        let sent = Effect::Enqueue(message(&clock, 200 + number));
        done(&claim, vec![result(&number.to_string()), sent, count("all", Some(number), &next)])
    });
    let completions: Vec<_> = completions.collect();
    assert_eq!(process.finish(&completions).await, Ok(vec![Finished::Done; 20]));
    for (place, calls) in [(&places.queues, 0), (&places.results, 1), (&places.groups, 1)] {
        assert_eq!(place.calls.load(Ordering::Relaxed), calls);
    }
    assert_eq!(process.store.stored("7").await, Ok(Some(b"7".to_vec())));
    assert_eq!(process.store.stored_all(&["8".to_owned()]).await, Ok(vec![Some(b"8".to_vec())]));
    assert_eq!(places.queues.store.stored("7").await, Ok(None));
    assert_eq!(places.queues.store.group("all").await, Ok(None));
    process.store.wait_stored("7").await;
    assert_eq!(process.store.forget(&["7".to_owned()]).await, Ok(1));
    assert_eq!(left(&process, "all").await, 0);
    let mut ready = process.ready().await;
    ready.sort_unstable();
    assert_eq!(ready, [100].into_iter().chain(200..220).collect::<Vec<_>>());
    places.expect_nobody_elsewhere().await;
}

#[tokio::test]
async fn nothing_is_acknowledged_while_its_place_is_away() {
    let (clock, places) = (clock(), Places::new(&clock()));
    let process = Process::start(&places).await;
    open_group(&process, "all", 1).await;
    let next = message(&clock, 100);
    process.store.enqueue(&[0, 1, 2, 3].map(|number| message(&clock, number))).await.unwrap();
    let claims = process.fetch().await;
    let completions = [
        done(&claims[0], vec![result("kept")]),
        done(&claims[1], Vec::new()),
        done(&claims[2], vec![result("counted"), count("all", Some(0), &next)]),
        done(&claims[3], vec![count("never opened", Some(0), &next)]),
    ];
    places.results.set_away(true);
    let refused = |what: &str| Finished::Refused(StoreError::Unreachable(format!("{what} at memory:: it is away")));
    let (kept, counted) = (refused("results"), refused("groups"));
    let answers = process.finish(&completions).await.unwrap();
    assert_eq!(answers, [kept.clone(), Finished::Done, kept.clone(), Finished::Uncounted]);
    assert_eq!(left(&process, "all").await, 1, "what keeps no result does not count either");
    places.results.set_away(false);
    places.groups.set_away(true);
    let again = [completions[0].clone(), completions[2].clone()];
    assert_eq!(process.finish(&again).await, Ok(vec![Finished::Done, counted]));
    assert_eq!(places.queues.store.counts(&QueueName::default()).await.unwrap().claimed, 1);
    places.groups.set_away(false);
    assert_eq!(process.finish(&again[1..]).await, Ok(vec![Finished::Done]));
    assert_eq!((left(&process, "all").await, process.ready().await), (0, vec![100]));
}

#[tokio::test]
async fn an_acknowledgement_that_is_repeated_counts_nothing_twice() {
    let (clock, places) = (clock(), Places::new(&clock()));
    let process = Process::start(&places).await;
    let next = message(&clock, 100);
    open_group(&process, "numbered", 3).await;
    open_group(&process, "of Python's", 3).await;
    process.store.enqueue(&[0, 1, 2, 3].map(|number| message(&clock, number))).await.unwrap();
    let claims = process.fetch().await;
    let first = [
        done(&claims[0], vec![count("numbered", Some(0), &next)]),
        done(&claims[1], vec![count("of Python's", None, &next)]),
    ];
    places.queues.lost.store(5, Ordering::Relaxed);
    for _ in 0..5 {
        assert!(process.finish(&first).await.is_err());
    }
    assert_eq!((left(&process, "numbered").await, left(&process, "of Python's").await), (2, 2));
    assert_eq!(process.finish(&first).await, Ok(vec![Finished::Done; 2]));
    assert_eq!(process.finish(&first[1..]).await, Ok(vec![Finished::ClaimLost]));
    assert_eq!(left(&process, "of Python's").await, 1, "once settled, it is another end");
    let last = [done(&claims[2], vec![count("of Python's", None, &next)])];
    places.queues.lost.store(1, Ordering::Relaxed);
    assert!(process.finish(&last).await.is_err());
    assert_eq!(process.ready().await, [0_u32; 0]);
    assert_eq!(process.finish(&last).await, Ok(vec![Finished::Done]));
    assert_eq!(process.ready().await, [100], "with the acknowledgement");
}

/// The worker of the last member dies between its count and its acknowledgement.
#[tokio::test]
async fn what_comes_after_a_group_is_sent_by_whoever_runs_the_last_member_again() {
    for member in [Some(1), None] {
        let clock = clock();
        let places = Places::new(&clock);
        let (dying, survivor) = (Process::start(&places).await, Process::start(&places).await);
        let next = message(&clock, 100);
        open_group(&dying, "all", 2).await;
        dying.store.enqueue(slice::from_ref(&message(&clock, 0))).await.unwrap();
        let first = dying.fetch().await.remove(0);
        let before = [done(&first, vec![count("all", member.map(|_| 0), &next)])];
        assert_eq!(dying.finish(&before).await, Ok(vec![Finished::Done]));
        dying.store.enqueue(slice::from_ref(&message(&clock, 1))).await.unwrap();
        let last = |claim: &Claim| [done(claim, vec![result("last"), count("all", member, &next)])];
        let claim = dying.fetch().await.remove(0);
        places.queues.lost.store(1, Ordering::Relaxed);
        assert!(dying.finish(&last(&claim)).await.is_err());
        assert_eq!((left(&survivor, "all").await, survivor.ready().await), (0, Vec::new()));
        let mut moved = 0;
        while moved == 0 {
            clock.advance(BEAT_INTERVAL);
            moved = survivor.store.beat(&survivor.registration, &[], &[]).await.unwrap().moved;
        }
        let claim = survivor.fetch().await.remove(0);
        assert_eq!(survivor.finish(&last(&claim)).await, Ok(vec![Finished::Done]));
        assert_eq!((left(&survivor, "all").await, survivor.ready().await), (0, vec![100]));
    }
}

/// A claim that was lost has no end any more that could be repeated.
#[tokio::test]
async fn what_a_beat_finds_lost_is_forgotten() {
    let clock = clock();
    let places = Places::new(&clock);
    let (sleeping, survivor) = (Process::start(&places).await, Process::start(&places).await);
    let next = message(&clock, 100);
    open_group(&sleeping, "of Python's", 3).await;
    sleeping.store.enqueue(slice::from_ref(&message(&clock, 0))).await.unwrap();
    let claim = sleeping.fetch().await.remove(0);
    let end = [done(&claim, vec![count("of Python's", None, &next)])];
    places.queues.lost.store(1, Ordering::Relaxed);
    assert!(sleeping.finish(&end).await.is_err());
    let mut moved = 0;
    while moved == 0 {
        clock.advance(BEAT_INTERVAL);
        moved = survivor.store.beat(&survivor.registration, &[], &[]).await.unwrap().moved;
    }
    let beat = sleeping.store.beat(&sleeping.registration, slice::from_ref(&claim), &[]).await.unwrap();
    assert_eq!(beat.lost, slice::from_ref(&claim));
    let again = sleeping.fetch().await.remove(0);
    assert_eq!(
        sleeping.finish(&[done(&again, vec![count("of Python's", None, &next)])]).await,
        Ok(vec![Finished::Done])
    );
    assert_eq!(left(&sleeping, "of Python's").await, 1, "as often as it has run, as in Python");
}
