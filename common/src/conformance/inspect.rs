//! What a look inside shows, and what people move by hand.

use std::time::Duration;

use super::{DEADLINE, Fixture, message, numbers};
use crate::clock::Timestamp;
use crate::message::{Message, MessageId, Raw, option};
use crate::queue_name::QueueName;
use crate::store::{Body, Cancelled, Counts, Disposition, Finished, MessageInfo, State, Wake};

impl Fixture {
    /// The one message that is found.
    async fn find(&self, id: &str) -> MessageInfo {
        let mut found = self.store.find(id, 0).await.expect("find");
        assert_eq!(found.len(), 1, "{id} lies in one place: {found:?}");
        found.remove(0)
    }

    pub(super) async fn cancel(&self, id: &str) -> Option<Cancelled> {
        let name = self.find(id).await.name;
        self.store.cancel(&self.queue, &name, "cancelled by hand").await.expect("cancel")
    }
}

/// By name, a page at a time, with their numbers.
pub async fn queues_are_listed_a_page_at_a_time(fixture: &Fixture) {
    for (name, number) in [("b", 2), ("a", 1), ("c", 3)] {
        let messages = (0..number).map(|number| {
            let mut message = fixture.message(number);
            message.queue_name = QueueName::new(name).expect("a queue name");
            message
        });
        fixture.store.enqueue(&messages.collect::<Vec<_>>()).await.expect("enqueue");
    }
    let first = fixture.store.queues(None, 2).await.expect("queues");
    let second = fixture.store.queues(Some(&first[1].name), 2).await.expect("queues");
    let seen: Vec<_> =
        first.iter().chain(&second).map(|queue| (queue.name.as_str(), queue.counts.ready, queue.paused)).collect();
    assert_eq!(seen, [("a", 1, false), ("b", 2, false), ("c", 3, false)]);
}

/// As it is listed; where nothing is in it, it is not paused and has no worker, there is none.
pub async fn a_queue_is_looked_up_by_its_name(fixture: &Fixture) {
    let of = async |name: &str| {
        let name = QueueName::new(name).expect("a queue name");
        let found = fixture.store.queue(&name).await.expect("a look-up");
        let listed = fixture.store.queues(None, 9).await.expect("queues").into_iter().find(|queue| queue.name == name);
        assert_eq!(found, listed, "{name}");
        found
    };
    let counts = async |name: &str| of(name).await.map(|queue| queue.counts);
    assert_eq!(of("default").await, None);
    let worker = fixture.worker().await;
    assert_eq!(counts("default").await, Some(Counts::default()), "it has a worker");
    assert_eq!(fixture.store.pause(&QueueName::canonical("night"), true).await, Ok(true));
    assert!(of("night").await.expect("it is paused").paused);
    let mut delayed = fixture.delayed(1, Duration::from_secs(60));
    delayed.queue_name = QueueName::canonical("later");
    fixture.enqueue(&[delayed]).await;
    assert_eq!(counts("later").await, Some(Counts { delayed: 1, ..Counts::default() }));
    assert_eq!(of("late").await, None, "the start of a name is none");

    fixture.enqueue(&[fixture.message(2)]).await;
    assert_eq!(counts("default").await, Some(Counts { ready: 1, ..Counts::default() }));
    let delivery = worker.fetch_one().await;
    assert_eq!(counts("default").await, Some(Counts { claimed: 1, ..Counts::default() }));
    let disposition = Disposition::DeadLetter(Body::Message(message(&delivery).clone()), "no".to_owned());
    assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
    worker.store.deregister(&worker.registration).await.expect("deregistered");
    assert_eq!(counts("default").await, Some(Counts { dead: 1, ..Counts::default() }));
    let letter = fixture.store.dead_letters(&fixture.queue, 0, 1).await.expect("dead letters").remove(0);
    assert_eq!(fixture.store.delete(&fixture.queue, &[letter.id]).await, Ok(vec![true]));
    assert_eq!(of("default").await, None);
}

/// A worker shows its queues and what it holds, and whether it lives; once it left it is not shown.
pub async fn workers_are_listed_with_what_they_hold(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (busy, idle) = (fixture.worker().await, fixture.other_worker().await);
    let held = busy.fetch_one().await.claim;
    let mut ids = [busy.registration.worker.as_str(), idle.registration.worker.as_str()];
    ids.sort_unstable();
    let first = fixture.store.workers(None, 1).await.expect("workers");
    let second = fixture.store.workers(Some(&first[0].id), 9).await.expect("workers");
    let workers: Vec<_> = first.into_iter().chain(second).collect();
    assert_eq!(workers.iter().map(|worker| worker.id.as_str()).collect::<Vec<_>>(), ids);
    for worker in workers {
        assert!(!worker.is_silent, "{worker:?}");
        assert_eq!(worker.queues.as_deref(), Some(std::slice::from_ref(&fixture.queue)));
        let expected = if worker.id == busy.registration.worker.as_str() { vec![held.clone()] } else { Vec::new() };
        assert_eq!(worker.claims, expected);
    }
    idle.store.deregister(&idle.registration).await.expect("deregistered");
    fixture.clock.advance(Duration::from_secs(10));
    let left = fixture.store.workers(None, 9).await.expect("workers");
    assert_eq!(left.len(), 1);
    assert!(left[0].is_silent && left[0].silent_for >= Duration::from_secs(9), "{left:?}");
}

/// Ready behind others, delayed, claimed, dead: with what there is to know about each.
pub async fn a_message_is_found_wherever_it_is(fixture: &Fixture) {
    let worker = fixture.worker().await;
    worker.beat(&[]).await;
    let delay = Duration::from_secs(60);
    let (claimed, dead, first) = (fixture.message(1), fixture.message(2), fixture.message(3));
    let (second, delayed) = (fixture.message(4), fixture.delayed(5, delay));
    fixture.enqueue(&[claimed.clone(), dead.clone(), first, second.clone(), delayed.clone()]).await;
    let held = worker.fetch(2).await;
    let disposition = Disposition::DeadLetter(Body::Message(message(&held[1]).clone()), "17".to_owned());
    assert_eq!(worker.finish(&held[1].claim, disposition).await, Finished::Done);

    let found = fixture.find(second.message_id.as_str()).await;
    assert_eq!((found.state, found.crashes), (State::Ready { ahead: Some(1) }, 0));
    let found = fixture.find(delayed.message_id.as_str()).await;
    assert_eq!(found.state, State::Delayed { due: fixture.clock.now() + delay });
    let found = fixture.find(claimed.message_id.as_str()).await;
    let worker = worker.registration.worker.as_str().to_owned();
    assert_eq!(found.state, State::Claimed { worker, cancelled: false });
    let found = fixture.find(dead.message_id.as_str()).await;
    assert_eq!(found.state, State::Dead { died: fixture.clock.now(), reason: Some("17".to_owned()) });
    let body = Message::decode(&found.bytes, fixture.clock.now()).expect("a message");
    assert_eq!((body.message_id, found.queue), (dead.message_id, fixture.queue.clone()));
    assert_eq!(fixture.store.find("nothing", 1_000).await, Ok(Vec::new()));
}

/// Whatever name the store gave it; a log shows only the first characters of an id.
pub async fn a_retried_message_is_found_by_the_start_of_its_id(fixture: &Fixture) {
    let sent = fixture.message(1);
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    let worker = fixture.worker().await;
    for retries in 1..=3_u32 {
        let delivery = worker.fetch_one().await;
        let mut again = message(&delivery).clone();
        again.options.set(option::RETRIES, Raw::from(retries));
        let due = fixture.clock.now() + Duration::from_secs(5);
        assert_eq!(worker.finish(&delivery.claim, Disposition::Retry(due, again)).await, Finished::Done);
        let found = fixture.find(sent.message_id.short()).await;
        assert_eq!(found.state, State::Delayed { due });
        fixture.clock.advance(Duration::from_secs(5));
        worker.beat(&[]).await;
        let found = fixture.find(sent.message_id.as_str()).await;
        assert_eq!(found.state, State::Ready { ahead: Some(0) });
    }
}

/// Any text is an id, also one that looks like a name that the store might give.
pub async fn an_id_that_looks_like_a_name_is_found(fixture: &Fixture) {
    for id in ["ada@1", "ada@2", "ada#0badcafe", "@", "#"] {
        let mut sent = fixture.message(1);
        sent.message_id = MessageId::from(id);
        fixture.enqueue(std::slice::from_ref(&sent)).await;
        let found = fixture.find(id).await;
        assert!(matches!(found.state, State::Ready { .. }), "{found:?}");
        assert_eq!(Message::decode(&found.bytes, fixture.clock.now()).expect("a message").message_id, sent.message_id);
    }
}

/// The oldest first.
pub async fn dead_letters_are_read_a_page_at_a_time(fixture: &Fixture) {
    let worker = fixture.worker().await;
    for number in 1..=5 {
        fixture.enqueue(&[fixture.message(number)]).await;
        let delivery = worker.fetch_one().await;
        let disposition = Disposition::DeadLetter(Body::Message(message(&delivery).clone()), number.to_string());
        assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
        fixture.clock.advance(Duration::from_millis(5));
    }
    let mut reasons = Vec::new();
    for skip in [0, 2, 4] {
        let page = fixture.store.dead_letters(&fixture.queue, skip, 2).await.expect("dead letters");
        reasons.extend(page.into_iter().map(|letter| letter.reason.expect("a reason")));
    }
    assert_eq!(reasons, ["1", "2", "3", "4", "5"]);
}

/// As the message that is given, once, and whoever waits hears of it.
pub async fn a_requeued_dead_letter_is_a_ready_message_under_a_new_name(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let worker = fixture.worker().await;
    let delivery = worker.fetch_one().await;
    let disposition = Disposition::DeadLetter(Body::Message(message(&delivery).clone()), "no".to_owned());
    assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
    let letter = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters").remove(0);
    let letters = [(letter.id, message(&delivery).clone()), ("nothing".to_owned(), fixture.message(2))];
    let (queues, store) = ([fixture.queue.clone()], fixture.store.clone());
    let waiting = tokio::spawn(async move { store.wait(&queues, None).await });
    tokio::task::yield_now().await;
    assert_eq!(fixture.store.requeue_dead(&fixture.queue, &letters).await, Ok(vec![true, false]));
    let woken = tokio::time::timeout(DEADLINE, waiting).await.expect("a wake-up").expect("the wait");
    assert_eq!(woken, Wake::Ready);
    assert_eq!(fixture.store.requeue_dead(&fixture.queue, &letters[..1]).await, Ok(vec![false]));
    assert_eq!(fixture.counts().await, (1, 0, 0, 0));
    let again = worker.fetch_one().await;
    assert_ne!(again.claim.id, delivery.claim.id);
    assert_eq!(message(&again).message_id, message(&delivery).message_id);
    assert_eq!(worker.finish(&again.claim, Disposition::Ack).await, Finished::Done);
}

/// And nothing beside it.
pub async fn a_deleted_dead_letter_is_gone(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let worker = fixture.worker().await;
    for delivery in worker.fetch(2).await {
        let disposition = Disposition::DeadLetter(
            Body::Message(message(&delivery).clone()),
            numbers(std::slice::from_ref(&delivery))[0].to_string(),
        );
        assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
    }
    let letters = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters");
    let first = letters.iter().find(|letter| letter.reason.as_deref() == Some("1")).expect("the first one");
    let names = [first.id.clone(), "nothing".to_owned()];
    assert_eq!(fixture.store.delete(&fixture.queue, &names).await, Ok(vec![true, false]));
    let left = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters");
    assert_eq!(left.iter().map(|letter| letter.reason.as_deref()).collect::<Vec<_>>(), [Some("2")]);
}

/// What has not begun does not begin; it can be seen, and sent again.
pub async fn what_waits_and_is_cancelled_becomes_a_dead_letter(fixture: &Fixture) {
    let worker = fixture.worker().await;
    worker.beat(&[]).await;
    let (ready, urgent) = (fixture.message(1), fixture.prioritised(2, -5));
    let delayed = fixture.delayed(3, Duration::from_secs(60));
    fixture.enqueue(&[ready.clone(), urgent.clone(), delayed.clone()]).await;
    assert_eq!(fixture.cancel(ready.message_id.as_str()).await, Some(Cancelled::Ready));
    assert_eq!(fixture.cancel(urgent.message_id.as_str()).await, Some(Cancelled::Ready));
    assert_eq!(fixture.cancel(delayed.message_id.as_str()).await, Some(Cancelled::Delayed));
    assert_eq!(fixture.counts().await, (0, 0, 0, 3));
    assert_eq!(fixture.cancel(ready.message_id.as_str()).await, None, "it is dead already");
    fixture.clock.advance(Duration::from_secs(90));
    worker.beat(&[]).await;
    assert_eq!(worker.fetch(9).await, []);
    let letters = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters");
    assert!(letters.iter().all(|letter| letter.reason.as_deref() == Some("cancelled by hand")), "{letters:?}");
}

/// With each beat, until the message has ended; its neighbours are not told.
pub async fn a_worker_hears_of_a_cancellation_until_the_end(fixture: &Fixture) {
    let sent = fixture.message(1);
    fixture.enqueue(&[sent.clone(), fixture.message(2)]).await;
    let (worker, other) = (fixture.worker().await, fixture.other_worker().await);
    let held: Vec<_> = worker.fetch(9).await.into_iter().map(|delivery| delivery.claim).collect();
    assert_eq!(worker.beat(&held).await.cancelled, []);
    let id = worker.registration.worker.as_str().to_owned();
    let told = Some(Cancelled::Claimed { worker: id.clone() });
    assert_eq!(fixture.cancel(sent.message_id.as_str()).await, told);
    assert_eq!(fixture.cancel(sent.message_id.as_str()).await, told);
    for _ in 0..2 {
        assert_eq!(worker.beat(&held).await.cancelled, held[..1]);
        assert_eq!(other.beat(&[]).await.cancelled, []);
    }
    let found = fixture.find(sent.message_id.as_str()).await.state;
    assert_eq!(found, State::Claimed { worker: id, cancelled: true });
    assert_eq!(worker.finish(&held[0], Disposition::Ack).await, Finished::Done);
    assert_eq!(worker.beat(&held[1..]).await.cancelled, []);
    assert_eq!(fixture.counts().await, (0, 0, 1, 0));
}

/// However its run ends: retried, made ready, requeued, or with the death of its worker.
pub async fn a_cancelled_message_is_not_run_again(fixture: &Fixture) {
    let (worker, survivor) = (fixture.worker().await, fixture.other_worker().await);
    let due = fixture.clock.now() + Duration::from_secs(1);
    let ends: [fn(Timestamp, Message) -> Disposition; 3] = [
        |_, _| Disposition::Release,
        |_, again| Disposition::Requeue(again),
        |due, again| Disposition::Retry(due, again),
    ];
    for (number, end) in (0..).zip(ends) {
        let sent = fixture.message(number);
        fixture.enqueue(std::slice::from_ref(&sent)).await;
        let delivery = worker.fetch_one().await;
        fixture.cancel(sent.message_id.as_str()).await;
        let disposition = end(due, message(&delivery).clone());
        assert_eq!(worker.finish(&delivery.claim, disposition).await, Finished::Done);
    }
    let sent = fixture.message(3);
    fixture.enqueue(std::slice::from_ref(&sent)).await;
    worker.fetch_one().await;
    fixture.cancel(sent.message_id.as_str()).await;
    survivor.beat(&[]).await;
    fixture.beat_until_dead(&survivor).await;
    assert_eq!(fixture.counts().await, (0, 0, 0, 4));
    let letters = fixture.store.dead_letters(&fixture.queue, 0, 9).await.expect("dead letters");
    assert!(letters.iter().all(|letter| letter.reason.as_deref() == Some("cancelled by hand")), "{letters:?}");
}

/// What is held goes on, what comes is kept, and whoever waits hears of the end of the pause.
pub async fn nothing_is_fetched_from_a_paused_queue(fixture: &Fixture) {
    let worker = fixture.worker().await;
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let held = worker.fetch_one().await;
    assert_eq!(fixture.store.pause(&fixture.queue, true).await, Ok(true));
    assert_eq!(fixture.store.pause(&fixture.queue, true).await, Ok(false));
    fixture.enqueue(&[fixture.message(3)]).await;
    assert_eq!(worker.fetch(9).await, []);
    assert_eq!(worker.finish(&held.claim, Disposition::Ack).await, Finished::Done);
    assert!(!worker.beat(&[]).await.ready, "there is nothing to fetch");
    let queue = fixture.store.queues(None, 9).await.expect("queues").remove(0);
    assert_eq!((queue.paused, queue.counts.ready), (true, 2));

    let (queues, store) = ([fixture.queue.clone()], fixture.store.clone());
    let pause = store.wait(&queues, None);
    assert!(tokio::time::timeout(Duration::from_millis(50), pause).await.is_err(), "nothing may be fetched yet");
    let waiting = tokio::spawn(async move { store.wait(&queues, None).await });
    tokio::task::yield_now().await;
    assert_eq!(fixture.store.pause(&fixture.queue, false).await, Ok(true));
    assert_eq!(fixture.store.pause(&fixture.queue, false).await, Ok(false));
    let woken = tokio::time::timeout(DEADLINE, waiting).await.expect("a wake-up").expect("the wait");
    assert_eq!(woken, Wake::Ready);
    assert_eq!(numbers(&worker.fetch(9).await), [2, 3]);
}

/// Of any priority, and what is delayed; what is claimed or dead stays.
pub async fn a_purge_deletes_what_waits_and_nothing_else(fixture: &Fixture) {
    let worker = fixture.worker().await;
    worker.beat(&[]).await;
    fixture.enqueue(&[fixture.message(1), fixture.message(2)]).await;
    let held = worker.fetch(2).await;
    let disposition = Disposition::DeadLetter(Body::Message(message(&held[1]).clone()), "no".to_owned());
    assert_eq!(worker.finish(&held[1].claim, disposition).await, Finished::Done);
    let waiting = [fixture.message(3), fixture.prioritised(4, 7), fixture.delayed(5, Duration::from_secs(60))];
    fixture.enqueue(&waiting).await;
    let mut purged = 0;
    loop {
        match fixture.store.purge(&fixture.queue).await.expect("purge") {
            0 => break,
            some => purged += some,
        }
    }
    assert_eq!((purged, fixture.counts().await), (3, (0, 0, 1, 1)));
    fixture.enqueue(&waiting).await;
    assert_eq!(fixture.counts().await, (2, 1, 1, 1), "nothing of it is remembered");
    assert_eq!(worker.finish(&held[0].claim, Disposition::Ack).await, Finished::Done);
}
