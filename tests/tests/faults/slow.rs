//! Links that let little through, and bodies that take their time.

use std::time::Duration;

use common::clock::{Clock, Stopwatch};
use common::queue_name::QueueName;
use common::store::{FetchRequest, Inspect as _, Store as _};
use common::stores::redis::RedisStore;
use tests::process::{PATIENCE, eventually_async, pause};
use tests::proxy::Proxy;

use crate::listener::lines;
use crate::rig::*;
use crate::work::{gate_and_weigh, weigh};

/// Bytes a second, in each direction.
const RATE: u32 = 1_000_000;

/// How long so many bytes take by themselves, as a plain client sees it now: a busy machine makes the link slower still.
async fn alone(proxy: &Proxy, bytes: usize) -> Duration {
    let url = proxy.url();
    let sending = tokio::task::spawn_blocking(move || {
        let begun = Stopwatch::start();
        let mut connection = redis::Client::open(url).unwrap().get_connection().unwrap();
        redis::cmd("ECHO").arg("x".repeat(bytes)).exec(&mut connection).unwrap();
        begun.elapsed() / 2
    });
    sending.await.unwrap()
}

/// What a message may take over a link that takes so long by itself, and what the machine may add between.
fn in_time(own: Duration) -> Duration {
    2 * own + Duration::from_secs(2)
}

#[expect(clippy::print_stdout, reason = "figures for who asks for them with --nocapture")]
fn report(what: &str, since: Stopwatch, own: Duration) {
    println!("{what}: {:.1?}, by itself {own:.1?}", since.elapsed());
}

/// A rig, a proxy before its server, and where lines about it begin.
async fn behind_proxy() -> (Rig, Proxy, String) {
    let rig = Rig::new().await;
    let proxy = Proxy::to(&format!("127.0.0.1:{}", rig.server.port()));
    let address = format!(":{}", proxy.address().port());
    (rig, proxy, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_takes_as_long_as_its_link_needs() {
    const SIZE: usize = 3_000_000;
    let (rig, proxy, address) = behind_proxy().await;
    let broker = open(&proxy.url(), &rig.namespace).await;
    proxy.throttle(RATE);
    let own = alone(&proxy, SIZE).await;
    let begun = Stopwatch::start();
    weigh::message("3".repeat(SIZE)).send(&broker).await.unwrap();
    report("sending 3 MB", begun, own);
    assert!(begun.elapsed() < in_time(own), "{:?}", begun.elapsed());

    let begun = Stopwatch::start();
    let worker = rig.worker_on(&broker, 2).await;
    rig.board.hear(&format!("{SIZE} of 3")).await;
    report("fetching 3 MB", begun, own);
    assert!(begun.elapsed() < in_time(own), "{:?}", begun.elapsed());
    rig.settle(0).await;
    assert_eq!(rig.board.times(&format!("{SIZE} of 3")), 1);
    assert_eq!(lines(&["WARN", &address]), [""; 0]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_calls_that_come_at_once_each_take_as_long_as_a_tunnel_needs_for_both() {
    let (rig, proxy, _) = behind_proxy().await;
    let store = RedisStore::connect(&proxy.url(), &rig.namespace, Clock::system()).await.unwrap();
    let message = |bytes: usize| weigh::message("7".repeat(bytes)).message(rig.broker.clock().now()).unwrap();
    // The server knows the script from then on.
    store.enqueue(&[message(1)]).await.unwrap();
    proxy.throttle_behind(RATE);
    // The second one comes long after the first one has.
    let (short, long) = ([message(500_000)], [message(3_500_000)]);
    let (short, long) = tokio::join!(store.enqueue(&short), store.enqueue(&long));
    short.unwrap();
    long.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_take_as_long_as_their_link_needs() {
    const COUNT: usize = 150;
    const SIZE: usize = 50_000;
    let (rig, proxy, address) = behind_proxy().await;
    let sender = open(&proxy.url(), &rig.namespace).await;
    let receiver = open(&proxy.url(), &rig.namespace).await;
    let worker = rig.worker_on(&receiver, 8).await;
    proxy.throttle(RATE);
    let call = |_| weigh::message("5".repeat(SIZE)).message(sender.clock().now()).unwrap();
    let messages = (0..COUNT).map(call).collect();
    let own = alone(&proxy, COUNT * SIZE).await;
    let begun = Stopwatch::start();
    // Both directions at the same time: what is stored is fetched while the rest is sent.
    sender.enqueue(messages).await.unwrap();
    report("sending many of 50 kB", begun, own);
    let heard =
        eventually_async(PATIENCE, async || (rig.board.times(&format!("{SIZE} of 5")) >= COUNT).then_some(())).await;
    assert!(heard.is_some(), "{:?}", rig.board.all());
    report("and running them", begun, own);
    assert!(begun.elapsed() < in_time(own), "{:?}", begun.elapsed());
    rig.settle(0).await;
    assert_eq!(rig.board.times(&format!("{SIZE} of 5")), COUNT);
    assert_eq!(lines(&["WARN", &address]), [""; 0]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_long_to_arrive_is_not_requeued_meanwhile() {
    const SIZE: usize = 8_000_000;
    let (rig, proxy, address) = behind_proxy().await;
    let receiver = open(&proxy.url(), &rig.namespace).await;
    rig.send(weigh::message("8".repeat(SIZE))).await;
    proxy.throttle(RATE);
    let worker = rig.worker_on(&receiver, 1).await;
    rig.board.hear(&format!("{SIZE} of 8")).await;
    rig.settle(0).await;
    assert_eq!(rig.board.times(&format!("{SIZE} of 8")), 1);
    assert_eq!(lines(&["WARN", &address]), [""; 0]);
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_beat_passes_while_a_large_answer_is_on_its_way() {
    const SIZE: usize = 4_000_000;
    let (rig, proxy, _) = behind_proxy().await;
    rig.send(weigh::message("4".repeat(SIZE))).await;
    let store = RedisStore::connect(&proxy.url(), &rig.namespace, Clock::system()).await.unwrap();
    let queue = QueueName::default();
    let registration = store.register(std::slice::from_ref(&queue)).await.unwrap();
    proxy.throttle(RATE);
    let requests = [FetchRequest { queue: queue.clone(), count: 1, before: None }];
    let mut fetching = std::pin::pin!(store.fetch(&registration, &requests, 1));
    let mut beats = 0;
    let fetched = loop {
        tokio::select! {
            biased;
            fetched = &mut fetching => break fetched,
            beat = store.beat(&registration, &[], &[]) => beat.unwrap(),
        };
        beats += 1;
        pause().await;
    };
    assert_eq!(fetched.unwrap().deliveries.len(), 1);
    assert!(beats > 2, "{beats}");
    assert_eq!(store.counts(&queue).await.unwrap().claimed, 1, "no beat gave it back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_retries_are_stored_part_by_part_after_an_outage() {
    const COUNT: usize = 16;
    const SIZE: usize = 4_000_000;
    /// All together take longer than a call may be silent.
    const FAST: u32 = 20_000_000;
    let (rig, proxy, address) = behind_proxy().await;
    let broker = open(&proxy.url(), &rig.namespace).await;
    let worker = rig.worker_on(&broker, COUNT).await;
    for number in 0..COUNT {
        let letter = char::from(b'a' + u8::try_from(number).unwrap());
        rig.send(gate_and_weigh::message(letter.to_string().repeat(SIZE))).await;
    }
    let runs = || rig.board.all().keys().filter(|what| what.ends_with("at first")).count();
    let started = eventually_async(PATIENCE, async || (runs() == COUNT).then_some(())).await;
    assert!(started.is_some(), "{:?}", rig.board.all());
    proxy.throttle(FAST);
    proxy.redirect("127.0.0.1:1");
    proxy.cut();
    rig.board.open_gate();
    crate::listener::wait_for_line(&["WARN", &address, "cannot be reached"]);
    proxy.redirect(&format!("127.0.0.1:{}", rig.server.port()));
    rig.settle(0).await;
    let all = rig.board.all();
    let twice = |(what, times): &(&String, &usize)| **times != if what.ends_with("at first") { 2 } else { 1 };
    assert_eq!(all.len(), 2 * COUNT, "{all:?}");
    assert!(!all.iter().any(|entry| twice(&entry)), "{all:?}");
    // One end may have been on its way when the connection broke; nothing breaks any more.
    assert!(lines(&["WARN", &address, "no answer within"]).is_empty());
    worker.stop().await;
}
