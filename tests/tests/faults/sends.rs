//! Sends that share a call: the network holds the first one up while the others gather.

use std::thread;

use common::broker::Broker;
use common::call::{Call, Sent};
use common::error::{EnqueueError, StoreError};
use common::message::MessageId;
use futures_util::future::join_all;
use tests::proxy::Proxy;

use crate::rig::*;
use crate::work::{say, shout, weigh};

/// A rig, and a broker behind a proxy whose script the server knows.
async fn behind_proxy() -> (Rig, Proxy, Broker) {
    let rig = Rig::new().await;
    let proxy = Proxy::to(&format!("127.0.0.1:{}", rig.server.port()));
    let broker = open(&proxy.url(), &rig.namespace).await;
    say::message("learnt").send(&broker).await.unwrap();
    let _: i64 = rig.redis(&["DEL", ":default"]);
    (rig, proxy, broker)
}

/// Sends all at the same time, and lets the network pass once all were sent.
async fn send_at_once<A>(proxy: &Proxy, broker: &Broker, calls: &[Call<A>]) -> Vec<Result<Sent<A>, EnqueueError>> {
    proxy.stall();
    let sending = join_all(calls.iter().map(|call| call.send(broker)));
    // Each of them is begun before the first can end.
    let resuming = async { proxy.resume() };
    tokio::join!(biased; sending, resuming).0
}

fn calls_of_scripts(rig: &Rig) -> u64 {
    let stats: String = rig.redis(&["INFO", "commandstats"]);
    let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls="));
    calls.and_then(|calls| calls.split(',').next()?.parse().ok()).unwrap_or_default()
}

fn listed(rig: &Rig) -> Vec<String> {
    rig.redis(&["LRANGE", ":default", "0", "-1"])
}

fn ids<A>(calls: &[Call<A>]) -> Vec<String> {
    calls.iter().map(Call::id).map(MessageId::to_string).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sends_that_come_while_a_call_is_under_way_share_the_next_one() {
    let (rig, proxy, broker) = behind_proxy().await;
    let calls: Vec<_> = (0..64).map(|number| say::message(number.to_string())).collect();
    let before = calls_of_scripts(&rig);
    let sent = send_at_once(&proxy, &broker, &calls).await;
    let sent: Vec<_> = sent.into_iter().map(|sent| sent.unwrap().message_id.to_string()).collect();
    assert_eq!(sent, ids(&calls), "each hears of its own message");
    // The first by itself and all others together; or all together, where the broker's thread had no turn until all were sent.
    let calls_made = calls_of_scripts(&rig) - before;
    assert!((1..=2).contains(&calls_made), "{calls_made} calls");
    assert_eq!(listed(&rig), ids(&calls), "in the order of their sending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_message_overtakes_no_small_one_that_was_sent_before_it() {
    let (rig, proxy, broker) = behind_proxy().await;
    let large = || weigh::message("x".repeat(1 << 20)).untyped();
    let small = || say::message("small").untyped();
    let calls = [small(), small(), small(), large(), small(), large(), large(), small()];
    let is_large = [false, false, false, true, false, true, true, false];
    for sent in send_at_once(&proxy, &broker, &calls).await {
        sent.unwrap();
    }
    let listed = listed(&rig);
    assert_eq!(listed.len(), calls.len());
    let places: Vec<_> = ids(&calls).iter().map(|id| listed.iter().position(|listed| listed == id).unwrap()).collect();
    // Large ones go by themselves, and nobody who sends meanwhile waits for them.
    for later in 0..calls.len() {
        for earlier in (0..later).filter(|earlier| !is_large[*earlier]) {
            assert!(places[earlier] < places[later], "{earlier} and {later}: {places:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_is_refused_spoils_no_other() {
    let (rig, proxy, broker) = behind_proxy().await;
    let _: () = rig.redis(&["SET", ":other", "somebody else's"]);
    let (say, shout) = (|n| say::message(n).untyped(), |n| shout::message(n).untyped());
    let calls = [say("1"), say("2"), shout("3"), say("4"), shout("5")];
    let sent = send_at_once(&proxy, &broker, &calls).await;
    for (call, sent) in calls.iter().zip(sent) {
        match sent {
            Ok(message) => assert_eq!((message.actor_name.as_ref(), &message.message_id), ("say", call.id())),
            Err(EnqueueError::NotStored { stored: 0, cause: StoreError::WrongKeyType { key, .. } }) => {
                assert_eq!(key, format!("{}:other", rig.namespace));
            }
            Err(error) => panic!("{error}"),
        }
    }
    let calls = calls.iter().filter(|call| call.message(broker.clock().now()).unwrap().actor_name.as_ref() == "say");
    assert_eq!(listed(&rig), calls.map(|call| call.id().to_string()).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_was_in_a_call_that_broke_does_not_know_its_outcome() {
    let (rig, proxy, broker) = behind_proxy().await;
    // On a machine that is busy enough, a call on a sound connection gets no answer in time either; then once more.
    for _ in 0..9 {
        // There has to be a connection that can be stranded.
        send_surely(&broker, say::message("sound")).await;
        let _: i64 = rig.redis(&["DEL", ":default", ":default.msgs"]);
        let calls: Vec<_> = (0..9).map(|number| say::message(number.to_string())).collect();
        proxy.strand();
        let mut sent = join_all(calls.iter().map(|call| call.send(&broker))).await;
        let others = sent.split_off(1);
        assert!(matches!(sent[0], Err(EnqueueError::Unknown(StoreError::Unreachable(_)))), "{:?}", sent[0]);
        if others.iter().all(Result::is_ok) {
            assert_eq!(listed(&rig), ids(&calls)[1..], "the others go over a new connection");
            return;
        }
    }
    panic!("nobody goes on");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn senders_with_and_without_a_runtime_share_a_broker() {
    const EACH: usize = 50;
    let rig = Rig::new().await;
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let broker = rig.broker.clone();
            thread::spawn(move || {
                let call = |number: usize| say::message(format!("{sender} {number}"));
                let calls: Vec<_> = (0..EACH).map(call).collect();
                if sender % 2 == 0 {
                    for call in &calls {
                        call.send_blocking(&broker).unwrap();
                    }
                } else {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        for call in &calls {
                            call.send(&broker).await.unwrap();
                        }
                    });
                }
                ids(&calls)
            })
        })
        .collect();
    let sent: Vec<Vec<String>> =
        tokio::task::spawn_blocking(|| senders.into_iter().map(|sender| sender.join().unwrap()).collect())
            .await
            .unwrap();
    let listed = listed(&rig);
    assert_eq!(listed.len(), 8 * EACH);
    for sent in sent {
        let of_one: Vec<_> = listed.iter().filter(|id| sent.contains(id)).cloned().collect();
        assert_eq!(of_one, sent, "each sender's messages lie in its order");
    }
}
