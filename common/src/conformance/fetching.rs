//! Who gets what.

use std::collections::BTreeSet;

use super::{Fixture, Peer, numbers};
use crate::queue_name::QueueName;
use crate::store::FetchRequest;

/// What is left stays for others.
pub async fn fetch_takes_no_more_than_was_wanted(fixture: &Fixture) {
    let messages: Vec<_> = (0..5).map(|number| fixture.message(number)).collect();
    fixture.enqueue(&messages).await;
    let worker = fixture.worker().await;
    assert_eq!(numbers(&worker.fetch(3).await), [0, 1, 2]);
    assert_eq!(fixture.counts().await, (2, 0, 3, 0));
}

/// However many queues have something; each gets a share, and none has to wait until the others are empty.
pub async fn fetch_takes_no_more_than_was_wanted_of_all_queues_together(fixture: &Fixture) {
    let names: Vec<_> = (0..5).map(|at| QueueName::new(&format!("share_{at}")).expect("a queue name")).collect();
    let registration = fixture.store.register(&names).await.expect("registered");
    let mut messages = Vec::new();
    for (number, queue) in (0..30).zip(names.iter().cycle()) {
        let mut message = fixture.message(number);
        message.queue_name = queue.clone();
        messages.push(message);
    }
    fixture.store.enqueue(&messages).await.expect("enqueue");
    let requests: Vec<_> =
        names.iter().map(|queue| FetchRequest { queue: queue.clone(), count: 3, before: None }).collect();
    let (mut found, mut served) = (Vec::new(), BTreeSet::new());
    for round in 0.. {
        let fetched = fixture.store.fetch(&registration, &requests, 3).await.expect("fetch");
        assert!(fetched.deliveries.len() <= 3, "{fetched:?}");
        if fetched.deliveries.is_empty() {
            assert!(!fetched.more, "nothing came, and more is told of");
            break;
        }
        found.extend(numbers(&fetched.deliveries));
        served.extend(fetched.deliveries.into_iter().map(|delivery| delivery.claim.queue));
        assert!(fetched.more || found.len() == 30, "there is more");
        assert!(round != 1 || served.len() == 5, "served after two fetches: {served:?}");
    }
    let of_queue = |at: i64| found.iter().copied().filter(|number| number % 5 == at).collect::<Vec<_>>();
    for at in 0..5 {
        assert_eq!(of_queue(at), (0..6).map(|turn| 5 * turn + at).collect::<Vec<_>>());
    }
}

/// What one queue leaves of its share, another one may have.
pub async fn fetch_takes_all_that_was_wanted_from_the_one_queue_that_has_it(fixture: &Fixture) {
    let mut names: Vec<_> = (0..4).map(|at| QueueName::new(&format!("rest_{at}")).expect("a queue name")).collect();
    names.push(fixture.queue.clone());
    let registration = fixture.store.register(&names).await.expect("registered");
    let messages: Vec<_> = (0..9).map(|number| fixture.message(number)).collect();
    fixture.enqueue(&messages).await;
    let requests: Vec<_> =
        names.iter().map(|queue| FetchRequest { queue: queue.clone(), count: 8, before: None }).collect();
    let fetched = fixture.store.fetch(&registration, &requests, 8).await.expect("fetch");
    assert_eq!(numbers(&fetched.deliveries), (0..8).collect::<Vec<_>>());
    assert!(fetched.more);
    let fetched = fixture.store.fetch(&registration, &requests, 8).await.expect("fetch");
    assert_eq!((numbers(&fetched.deliveries), fetched.more), (vec![8], false));
}

/// Two workers never share a message.
pub async fn a_claimed_message_is_fetched_by_nobody_else(fixture: &Fixture) {
    fixture.enqueue(&[fixture.message(1)]).await;
    let (one, two) = (fixture.worker().await, fixture.other_worker().await);
    assert_eq!(numbers(&one.fetch(9).await), [1]);
    assert_eq!(two.fetch(9).await, []);
}

/// Names that start alike are different queues.
pub async fn a_worker_fetches_nothing_from_other_queues(fixture: &Fixture) {
    let mut urgent = fixture.message(1);
    urgent.queue_name = QueueName::new("default_urgent").expect("a queue name");
    fixture.store.enqueue(&[urgent]).await.expect("enqueue");
    assert_eq!(fixture.worker().await.fetch(9).await, []);
    let other = Peer::register(fixture.store.clone(), QueueName::new("default_urgent").expect("a queue name")).await;
    assert_eq!(numbers(&other.fetch(9).await), [1]);
}

/// What goes before a priority is fetched by itself, in its order; what has none counts as 0.
pub async fn what_goes_before_a_priority_is_fetched_alone(fixture: &Fixture) {
    let worker = fixture.worker().await;
    let priorities = [0, 5, -5, 3, -1, 0, 7];
    let numbered = priorities.iter().zip(0..);
    let messages: Vec<_> = numbered.map(|(priority, number)| fixture.prioritised(number, *priority)).collect();
    fixture.enqueue(&messages).await;
    let before = async |before, count| {
        let requests = [FetchRequest { queue: worker.queue.clone(), count, before: Some(before) }];
        let fetched = worker.store.fetch(&worker.registration, &requests, usize::MAX).await.expect("fetch");
        numbers(&fetched.deliveries)
    };
    assert_eq!(before(-5, 9).await, [0; 0]);
    assert_eq!(before(-1, 9).await, [2]);
    assert_eq!(before(0, 9).await, [4]);
    assert_eq!(before(5, 2).await, [0, 5]);
    assert_eq!(before(5, 9).await, [3]);
    assert_eq!(before(7, 9).await, [1]);
    assert_eq!(numbers(&worker.fetch(9).await), [6]);
}
