//! Under which keys results lie.

use common::actor;
use common::actor::actors;
use common::broker::Broker;
use common::message::{MessageId, Raw};
use common::middleware::Results;
use common::results::{ResultKeys, Stored};
use common::worker::Worker;
use tests::{process::PATIENCE, python, redis};

#[actor(store_results = true)]
fn halve(n: u32) -> u32 {
    n / 2
}

/// Under keys of a name of one's own that people can read, and that rules of access can tell from others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_lie_under_readable_keys_where_both_say_so() {
    let (url, namespace) = (redis::url(), redis::namespace());
    let results = format!("{namespace}-results");
    let keys = ResultKeys { namespace: results.clone(), readable: true };
    let settings = Results { keys: keys.clone(), ..Results::default() };
    let address = format!("{url}?namespace={namespace}");
    let broker = Broker::builder().results(settings).connect(&address).await.unwrap();
    let worker = Worker::new(broker.clone()).actors(actors![halve]);
    let stopper = worker.stopper();
    let running = tokio::spawn(worker.run());
    let sent = halve::send(&broker, 8).await.unwrap();
    assert_eq!(sent.result(PATIENCE).await, Ok(4));
    assert_eq!(keys.of(&sent), format!("{results}:default:halve:{}", sent.message_id));
    let script = format!(
        "
import os, dramatiq
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

backend = RedisBackend(url=os.environ['KIT_REDIS_URL'], namespace='{results}', use_namespace_prefix_keys=True)
dramatiq.get_broker().add_middleware(Results(backend=backend))

@dramatiq.actor(store_results=True)
def halve(n): ...

print(halve.message(8).copy(message_id='{id}').get_result())
sent = halve.message(10)
backend.store_result(sent, 5, 60_000)
print(sent.message_id)
",
        id = sent.message_id
    );
    let said = tokio::task::spawn_blocking(move || python::with_broker(&script, &url, &namespace)).await.unwrap();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[0], "4", "{said}");
    let theirs = broker.result_of::<halve>(&MessageId::from(lines[1])).await;
    assert_eq!(theirs, Ok(Some(Stored::Value(Raw::from(5_u32)))));
    assert_eq!(broker.forget_results(&[sent.into_message()]).await, Ok(1));
    stopper.stop();
    running.await.unwrap().unwrap();
}
