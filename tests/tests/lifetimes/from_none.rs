//! Every call of a broker, with no tokio anywhere near.

use std::{sync::Arc, time::Duration};

use common::{
    actor,
    actor::actors,
    broker::Broker,
    error::ResultError,
    message::Message,
    queue_name::QueueName,
    results::Stored,
    store::{Cancelled, Claim, State},
    testing::TestBroker,
    worker::Worker,
};

use crate::site::{Gate, Site, block_on, note, settle};

#[actor(store_results = true)]
fn double(number: u32) -> u32 {
    2 * number
}

#[test]
fn every_call_of_a_broker_works_without_a_runtime() {
    for site in Site::all() {
        let broker = site.broker();
        let queue = QueueName::default();
        let message = block_on(double::send(&broker, 21)).unwrap();
        let early = block_on(broker.wait_for_result(&message, Duration::from_millis(20)));
        assert!(matches!(early, Err(ResultError::Timeout { explanation: Some(_), .. })), "{early:?}");
        assert_eq!(block_on(broker.result(&message)), Ok(None));
        let worker = Worker::new(broker.clone()).actors(actors![double]);
        block_on(worker.run_until_idle()).unwrap();
        let stored = block_on(broker.wait_for_result(&message, Duration::from_secs(30))).unwrap();
        assert!(matches!(stored, Stored::Value(value) if value.as_str() == "42"));
        assert_eq!(block_on(message.result(Duration::ZERO)), Ok(42));
        assert_eq!(message.result_blocking(Duration::ZERO), Ok(42));
        assert!(block_on(broker.result(&message)).unwrap().is_some());

        let messages: Vec<Message> =
            (1..=3).map(|number| note::message(number).message(broker.clock().now()).unwrap()).collect();
        let stored = broker.wait_for_result_blocking(&message, Duration::ZERO).unwrap();
        assert!(matches!(stored, Stored::Value(value) if value.as_str() == "42"));
        let sent = block_on(broker.enqueue(messages)).unwrap();
        settle(&broker, "they are stored", 3, 0);
        assert_eq!(block_on(broker.queues(None, 9)).unwrap().len(), 1);
        assert!(block_on(broker.workers(None, 9)).unwrap().is_empty());
        let found = block_on(broker.find(sent[0].message_id.as_str(), 100)).unwrap();
        let claim = Claim { queue: queue.clone(), id: found[0].name.as_str().into() };
        let info = block_on(broker.get(&claim)).unwrap().unwrap();
        assert_eq!(info.state, State::Ready { ahead: Some(0) });
        assert_eq!(block_on(broker.pause(&queue)), Ok(true));
        assert_eq!(block_on(broker.resume(&queue)), Ok(true));
        assert_eq!(block_on(broker.cancel(&info, "by hand")), Ok(Some(Cancelled::Ready)));
        let letters = block_on(broker.dead_letters(&queue, 0, 9)).unwrap();
        assert_eq!(block_on(broker.requeue(&queue, &letters)), Ok(vec![true]));
        assert_eq!(block_on(broker.purge(&queue)), Ok(3));
        assert_eq!(block_on(broker.delete(&queue, vec!["nothing".to_owned()])), Ok(vec![false]));
        settle(&broker, "nothing is left", 0, 0);
    }
}

#[test]
fn every_way_to_connect_works_without_a_runtime() {
    for site in Site::all() {
        let url = site.url.clone().unwrap_or_else(|| "memory:".to_owned());
        let broker = block_on(Broker::connect(&url)).unwrap();
        assert_eq!(broker.namespace(), common::broker::NAMESPACE);
    }
}

#[test]
fn a_test_broker_works_without_a_runtime() {
    let (broker, gate) = (TestBroker::new(), Arc::<Gate>::default());
    block_on(note::message(1).delay(Duration::from_secs(86_400)).send(&broker)).unwrap();
    block_on(broker.worker().actors(actors![note]).state(gate.clone()).run_until_done()).unwrap();
    assert_eq!(gate.ended(), [1]);
    assert_eq!(block_on(broker.dead_letters("default")), []);
}
