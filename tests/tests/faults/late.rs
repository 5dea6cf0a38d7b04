//! Packets that arrive when others have taken over already.

use common::clock::{Clock, Timestamp};
use common::error::EnqueueError;
use common::message::{Message, Raw};
use common::queue_name::QueueName;
use common::store::{
    BEAT_INTERVAL, Body, Completion, Counts, DEAD_AFTER, Disposition, Finished, Inspect as _, Registration, Store as _,
};
use common::store::{Delivery, FetchRequest};
use common::stores::redis::RedisStore;
use tests::process::{PATIENCE, eventually_async};
use tests::proxy::Proxy;
use tests::redis::Server;

/// One worker behind a network that can hold everything back, and one that sees all of it happen in order.
struct Pair {
    server: Server,
    proxy: Proxy,
    clock: Clock,
    far: RedisStore,
    near: RedisStore,
    far_lease: Registration,
    near_lease: Registration,
}

fn queue() -> QueueName {
    QueueName::default()
}

fn message(argument: i64) -> Message {
    Message::new(queue(), "act", [Raw::from(argument)], Timestamp::from_millis(1_800_000_000_000))
}

async fn fetch(store: &RedisStore, registration: &Registration) -> Vec<Delivery> {
    store
        .fetch(registration, &[FetchRequest { queue: queue(), count: 9, before: None }], usize::MAX)
        .await
        .unwrap()
        .deliveries
}

fn completion(delivery: &Delivery, disposition: Disposition) -> Completion {
    Completion { claim: delivery.claim.clone(), disposition, effects: Vec::new() }
}

impl Pair {
    async fn new() -> Self {
        let server = Server::start();
        let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
        let clock = Clock::manual(Timestamp::from_millis(1_800_000_000_000));
        let far = RedisStore::connect(&proxy.url(), "late", clock.clone()).await.unwrap();
        let near = RedisStore::connect(&server.url(), "late", clock.clone()).await.unwrap();
        let far_lease = far.register(&[queue()]).await.unwrap();
        let near_lease = near.register(&[queue()]).await.unwrap();
        Self { server, proxy, clock, far, near, far_lease, near_lease }
    }

    /// The near one sees the far one silent until it is dead, and takes over what it held.
    async fn take_over(&self) {
        for _ in 0..DEAD_AFTER + 2 {
            self.clock.advance(BEAT_INTERVAL);
            self.near.beat(&self.near_lease, &[], &[]).await.unwrap();
        }
    }

    async fn counts(&self) -> Counts {
        self.near.counts(&queue()).await.unwrap()
    }

    /// Everything that was held back has arrived: the server has run as many scripts as were sent.
    async fn arrives(&self, before: u64) {
        let arrived = eventually_async(PATIENCE, async || (self.scripts_run() > before).then_some(())).await;
        arrived.expect("what was held back arrives");
    }

    /// Scripts that the server was asked to run so far.
    fn scripts_run(&self) -> u64 {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut self.server.connection()).unwrap();
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
        calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap_or_default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_arrives_after_a_take_over_changes_nothing() {
    type Make = fn(&Delivery) -> Disposition;
    let places: [Make; 5] = [
        |_| Disposition::Ack,
        |_| Disposition::Release,
        |delivery| Disposition::Requeue(delivery.body.clone().unwrap()),
        |delivery| Disposition::Retry(Timestamp::from_millis(1_900_000_000_000), delivery.body.clone().unwrap()),
        |delivery| Disposition::DeadLetter(Body::Message(delivery.body.clone().unwrap()), "late".to_owned()),
    ];
    let each = places.map(|place| async move {
        let pair = Pair::new().await;
        pair.near.enqueue(&[message(1)]).await.unwrap();
        let held = fetch(&pair.far, &pair.far_lease).await.remove(0);
        let place = place(&held);
        // The script is known by then, so that its name alone is on its way.
        let learnt = completion(&Delivery { claim: unknown(&held), ..held.clone() }, Disposition::Ack);
        pair.far.finish(&pair.far_lease, &[learnt]).await.unwrap();
        pair.proxy.stall();
        let before = pair.scripts_run();
        pair.far.finish(&pair.far_lease, &[completion(&held, place)]).await.unwrap_err();
        assert_eq!(pair.scripts_run(), before, "it is on its way");
        pair.take_over().await;
        let taken = fetch(&pair.near, &pair.near_lease).await.remove(0);
        assert_eq!(taken.claim.id, held.claim.id);
        let before = pair.scripts_run();
        pair.proxy.resume();
        pair.arrives(before).await;
        assert_eq!(pair.counts().await, Counts { claimed: 1, ..Counts::default() });
        let answers = pair.near.finish(&pair.near_lease, &[completion(&taken, Disposition::Ack)]).await.unwrap();
        assert_eq!(answers, [Finished::Done]);
        assert_eq!(pair.counts().await, Counts::default());
    });
    for each in each {
        Box::pin(each).await;
    }
}

/// A claim that nobody has.
fn unknown(delivery: &Delivery) -> common::store::Claim {
    let mut claim = delivery.claim.clone();
    claim.id = "unknown".into();
    claim
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_arrives_after_its_worker_was_buried_takes_nothing() {
    let pair = Pair::new().await;
    assert!(fetch(&pair.far, &pair.far_lease).await.is_empty());
    pair.proxy.stall();
    let requests = [FetchRequest { queue: queue(), count: 9, before: None }];
    pair.far.fetch(&pair.far_lease, &requests, usize::MAX).await.unwrap_err();
    pair.take_over().await;
    pair.near.enqueue(&[message(1)]).await.unwrap();
    let before = pair.scripts_run();
    pair.proxy.resume();
    pair.arrives(before).await;
    assert_eq!(pair.counts().await, Counts { ready: 1, ..Counts::default() });
    assert_eq!(fetch(&pair.near, &pair.near_lease).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_that_arrives_while_its_worker_lives_is_requeued_by_a_beat() {
    let pair = Pair::new().await;
    assert!(fetch(&pair.far, &pair.far_lease).await.is_empty());
    pair.proxy.stall();
    let requests = [FetchRequest { queue: queue(), count: 9, before: None }];
    pair.far.fetch(&pair.far_lease, &requests, usize::MAX).await.unwrap_err();
    pair.near.enqueue(&[message(1)]).await.unwrap();
    let before = pair.scripts_run();
    pair.proxy.resume();
    pair.arrives(before).await;
    assert_eq!(pair.counts().await, Counts { claimed: 1, ..Counts::default() });
    for _ in 0..6 {
        pair.clock.advance(BEAT_INTERVAL);
        pair.far.beat(&pair.far_lease, &[], &[]).await.unwrap();
    }
    assert_eq!(pair.counts().await, Counts { ready: 1, ..Counts::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_was_sent_again_is_stored_once_when_the_first_arrives_late() {
    let pair = Pair::new().await;
    let sent = [message(1)];
    pair.far.enqueue(&[message(0)]).await.unwrap();
    pair.proxy.stall();
    let error = pair.far.enqueue(&sent).await.unwrap_err();
    assert!(matches!(error, EnqueueError::Unknown(_)), "{error:?}");
    pair.near.enqueue(&sent).await.unwrap();
    let before = pair.scripts_run();
    pair.proxy.resume();
    pair.arrives(before).await;
    assert_eq!(pair.counts().await, Counts { ready: 2, ..Counts::default() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beat_that_arrives_after_its_worker_was_buried_brings_back_no_ghost() {
    let pair = Pair::new().await;
    pair.near.enqueue(&[message(1)]).await.unwrap();
    assert_eq!(fetch(&pair.far, &pair.far_lease).await.len(), 1);
    pair.proxy.stall();
    pair.far.beat(&pair.far_lease, &[], &[]).await.unwrap_err();
    pair.take_over().await;
    assert_eq!(pair.counts().await, Counts { ready: 1, ..Counts::default() });
    let before = pair.scripts_run();
    pair.proxy.resume();
    pair.arrives(before).await;
    // It is registered again, holds nothing, and is found dead once more.
    pair.take_over().await;
    let registered: i64 = redis::cmd("HLEN").arg("late:@rust").query(&mut pair.server.connection()).unwrap();
    assert_eq!(registered, 2, "the near one, and the queue's fleet");
    assert_eq!(pair.counts().await, Counts { ready: 1, ..Counts::default() });
}
