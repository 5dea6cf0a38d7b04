//! What the end of a message costs the server, with what happens in the same step, in turn with a plain acknowledgement.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use common::clock::Clock;
use common::message::{Message, Raw};
use common::queue_name::QueueName;
use common::results::ResultKeys;
use common::store::{Completion, Count, Delivery, Disposition, Effect, FetchRequest, MemberEnd, NewGroup, Store as _};
use common::stores::redis::RedisStore;

use crate::ground::{Setup, ask, connection, namespace, wipe};
use crate::support::{Failed, table};

/// How many end with one call.
const BATCH: usize = 100;

/// How many end in a round.
const MESSAGES: usize = 10_000;

/// How long a result is kept.
const KEPT: Duration = Duration::from_secs(60);

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let url = &setup.url;
    let plain = async || cost(url, |_| Vec::new()).await;
    let result = |message: &Message| {
        vec![Effect::Store { key: ResultKeys::default().of(message), value: b"42".to_vec(), ttl: KEPT }]
    };
    let with_result = async || cost(url, result).await;
    table::in_turn("an end with a result, ns of Redis", with_result, "a plain one", plain).await?;
    let next = |message: &Message| {
        let next = Message::new(message.queue_name.clone(), "next", [Raw::from(42_u32)], message.message_timestamp);
        vec![Effect::Enqueue(next)]
    };
    let with_next = async || cost(url, next).await;
    table::in_turn("an end with a next step, ns of Redis", with_next, "a plain one", plain).await?;
    let as_member = async || cost_of_member(url).await;
    table::in_turn("an end of a member of a group, ns of Redis", as_member, "a plain one", plain).await
}

/// The same for the ends of members of one group, whose callback is sent with the last one.
async fn cost_of_member(url: &str) -> Result<f64, Failed> {
    let clock = Clock::system();
    let store = RedisStore::connect(url, &namespace(), clock.clone()).await?;
    let members = u32::try_from(MESSAGES)?;
    let group = NewGroup { name: namespace(), members, ttl: KEPT };
    store.open_group(&group).await?;
    let then = vec![Message::new(QueueName::new("after")?, "after", [], clock.now())];
    let number = AtomicU32::new(0);
    let cost = cost(url, |_| {
        let member = Some(number.fetch_add(1, Ordering::Relaxed));
        let then = then.clone();
        vec![Effect::Count(Count { group: group.name.clone(), member, end: MemberEnd::Done, ttl: KEPT, then })]
    })
    .await?;
    let mut redis = connection(url)?;
    ask::<i64>(
        &mut redis,
        &["UNLINK", &group.name, &format!("{}:seen", group.name), &format!("{}@events", group.name)],
    )?;
    Ok(cost)
}

/// How long the server is busy for the end of a message, in nanoseconds.
async fn cost(url: &str, effects: impl Fn(&Message) -> Vec<Effect>) -> Result<f64, Failed> {
    let (namespace, queue) = (namespace(), QueueName::default());
    let (clock, mut redis) = (Clock::system(), connection(url)?);
    let store = RedisStore::connect(url, &namespace, clock.clone()).await?;
    let registration = store.register(std::slice::from_ref(&queue)).await?;
    let messages: Vec<_> =
        std::iter::repeat_with(|| Message::new(queue.clone(), "one", [], clock.now())).take(MESSAGES).collect();
    for batch in messages.chunks(1_000) {
        store.enqueue(batch).await?;
    }
    let mut deliveries = Vec::new();
    while deliveries.len() < MESSAGES {
        let requests = [FetchRequest { queue: queue.clone(), count: 1_000, before: None }];
        deliveries.extend(store.fetch(&registration, &requests, 1_000).await?.deliveries);
    }
    let end = |Delivery { claim, body, .. }: Delivery| {
        let effects = body.map(|message| effects(&message)).unwrap_or_default();
        Completion { claim, disposition: Disposition::Ack, effects }
    };
    let mut completions: Vec<_> = deliveries.into_iter().map(end).collect();
    ask::<String>(&mut redis, &["CONFIG", "RESETSTAT"])?;
    while !completions.is_empty() {
        let rest = completions.split_off(BATCH.min(completions.len()));
        store.finish(&registration, &completions).await?;
        completions = rest;
    }
    let stats: String = ask(&mut redis, &["INFO", "commandstats"])?;
    let microseconds =
        stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:")?.split_once("usec=")?.1.split_once(','));
    let microseconds: f64 = microseconds.ok_or("no script was called")?.0.parse()?;
    store.deregister(&registration).await?;
    wipe(url, &namespace)?;
    let keys: Vec<String> = messages.iter().map(|message| ResultKeys::default().of(message)).collect();
    for keys in keys.chunks(1_000) {
        let command: Vec<&str> = std::iter::once("UNLINK").chain(keys.iter().map(String::as_str)).collect();
        ask::<i64>(&mut redis, &command)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    Ok(microseconds * 1_000.0 / MESSAGES as f64)
}
