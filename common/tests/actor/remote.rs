//! Actors that run elsewhere.

use std::time::Duration;

use common::actor::{Actor, Entry};
use common::error::ResultError;
use common::message::{Message, Raw};
use common::testing::TestBroker;
use common::worker::Worker;
use common::{actor, actors};

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes an invoice, in Python.
#[actor(
    remote,
    name = "write_invoice",
    queue = "python",
    priority = 5,
    max_retries = 3,
    min_backoff = "1s",
    max_backoff = "1m",
    on_success = told,
    on_failure = hear,
    on_retry_exhausted = hear,
    store_results = true,
    result_ttl = "1h"
)]
fn invoice(customer: u64, #[kwarg] due: String) -> Vec<u32>;

#[actor(remote, queue = "python", max_retries = "unlimited")]
pub fn hear(_message: serde_json::Value, _about: serde_json::Value);

#[actor(remote)]
fn told(message: serde_json::Value, result: Vec<u32>);

/// The program in which they run.
mod elsewhere {
    use super::actor;

    #[actor(name = "write_invoice", queue = "python")]
    pub(super) fn invoice(customer: u32, due: String) -> Result<Vec<u32>, String> {
        if due == "never" { Err("no such day".to_owned()) } else { Ok(vec![customer]) }
    }

    /// Something else than it is declared to return.
    #[actor(name = "write_invoice", queue = "python")]
    pub(super) fn changed(customer: u32, due: String) -> String {
        format!("{customer}, {due}")
    }
}

fn options(message: &Message) -> Vec<String> {
    message.options.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

#[tokio::test]
async fn a_remote_actor_is_sent_with_what_it_declares() {
    let broker = TestBroker::new();
    let sent = invoice::send(&broker, 7, "now").await.unwrap();
    assert_eq!(sent.to_string(), r#"write_invoice(7, due="now")"#);
    assert_eq!(sent.queue_name.as_str(), "python");
    assert_eq!(
        options(&sent),
        [
            "priority=5",
            "max_retries=3",
            "min_backoff=1000",
            "max_backoff=60000",
            r#"on_retry_exhausted="hear""#,
            r#"on_success="told""#,
            r#"on_failure="hear""#,
            "store_results=true",
            "result_ttl=3600000",
        ]
    );
    assert_eq!(options(&hear::send(&broker, 1.into(), 2.into()).await.unwrap()), ["max_retries=null"]);
    assert_eq!(options(&told::message(1.into(), vec![]).send(&broker).await.unwrap()), Vec::<String>::new());

    let call = invoice::message(8, "tomorrow").max_retries(0).option("tenant", Raw::from("ada")).delay(PATIENCE);
    let all = broker.send_all([call, invoice::message(9, "later")]).await.unwrap();
    assert_eq!(all[0].options.read("max_retries"), Some(0));
    let sent: Vec<_> = invoice::sent(&broker).into_iter().map(|(customer, _)| customer).collect();
    assert_eq!(sent, [7, 8, 9]);
}

#[tokio::test]
async fn a_worker_that_is_to_run_one_does_not_start() {
    let broker = TestBroker::new();
    let error = broker.worker().actors(actors![elsewhere::changed, told]).run().await.unwrap_err().to_string();
    assert!(error.starts_with("`told` runs elsewhere: it is declared with `#[actor(remote)]` at "), "{error}");
    assert!(error.contains("remote.rs:") && error.contains("add it by `.remote_actors("), "{error}");
    assert!(matches!(invoice::DECLARATION.entry, Entry::Remote));
    assert_eq!(invoice::DECLARATION.about, "Writes an invoice, in Python.");
}

#[actor(on_success = hear)]
fn add(a: u32, b: u32) -> u32 {
    a + b
}

#[tokio::test]
async fn actors_and_messages_name_one_that_hears_of_them() {
    let broker = TestBroker::new();
    add::send(&broker, 1, 2).await.unwrap();
    add::message(3, 4).on_success::<invoice>().send(&broker).await.unwrap();
    let worker = broker.worker().actors(actors![add]).remote_actors(actors![hear, invoice]);
    worker.run_until_idle().await.unwrap();
    let heard: Vec<_> = hear::sent(&broker).into_iter().map(|(_, result)| result).collect();
    assert_eq!(heard, [3]);
    let sent = broker.sent(invoice::DECLARATION);
    assert_eq!(sent.iter().map(|message| message.queue_name.as_str()).collect::<Vec<_>>(), ["python"]);
}

#[tokio::test]
async fn its_result_is_read_as_what_it_is_declared_to_return() {
    let broker = TestBroker::new();
    let sent = invoice::send(&broker, 7, "now").await.unwrap();
    let failed = invoice::message(8, "never").max_retries(0).send(&broker).await.unwrap();
    let elsewhere = |actors| Worker::new((*broker).clone()).actors(actors).run_until_idle();
    elsewhere(actors![elsewhere::invoice]).await.unwrap();
    assert_eq!(sent.result(PATIENCE).await, Ok(vec![7]));
    let failure = ResultError::Failed { kind: "String".to_owned(), text: "no such day".to_owned() };
    assert_eq!(failed.result::<Vec<u32>>(PATIENCE).await, Err(failure));

    let sent = invoice::send(&broker, 9, "now").await.unwrap();
    elsewhere(actors![elsewhere::changed]).await.unwrap();
    let error = sent.result_blocking::<Vec<u32>>(PATIENCE).unwrap_err().to_string();
    assert_eq!(error, r#"the actor returned something else: invalid type: string "9, now", expected a sequence"#);
}
