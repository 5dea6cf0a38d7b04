//! A server that has no room left: dramatiq's script stops at its first write, which is its heartbeat.

use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use common::actor;
use common::actor::{Declaration, actors};
use common::clock::Clock;
use common::error::{EnqueueError, StoreError};
use common::worker::{Shutdown, Worker};
use tests::process::PATIENCE;
use tests::redis::Server;

use crate::world::World;

type Told = Mutex<Sender<&'static str>>;

/// Long enough for a worker that cannot beat to be taken for dead.
const LONG: Duration = Duration::from_secs(6);

#[actor]
async fn long(told: &Told) {
    Clock::system().sleep(LONG).await;
    tell(told, "long");
}

#[actor]
fn short(told: &Told) {
    tell(told, "short");
}

#[actor]
fn later(told: &Told) {
    tell(told, "later");
}

#[actor(max_retries = 1, min_backoff = "1ms")]
fn fail(told: &Told) -> Result<(), String> {
    tell(told, "fail");
    Err("as asked for".to_owned())
}

fn tell(told: &Told, what: &'static str) {
    told.lock().expect("the test").send(what).expect("the test");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_server_is_drained_by_rust_while_python_waits_and_nobody_is_taken_for_dead() {
    const ACTORS: &[&Declaration] = actors![long, short, later, fail];
    const SCRIPT: &str = "
@dramatiq.actor
def short(): ...

try:
    short.send()
    print('sent')
except Exception as error:
    print(error)
";
    let server = Server::start();
    let world = World::on(server.url()).await;
    let (told, heard) = channel();
    let run = |told: Sender<&'static str>| {
        let worker = Worker::new(world.broker.clone()).threads(1).actors(ACTORS).state(Mutex::new(told));
        (worker.stopper(), tokio::spawn(worker.run()))
    };
    let next = || heard.recv_timeout(PATIENCE).expect("an actor tells something");
    long::send(&world.broker).await.unwrap();
    let busy = run(told.clone());
    world.until("the long one is claimed", || {
        let ready: usize = world.redis(&["LLEN", ":default"]);
        (ready == 0).then_some(())
    });
    let other = run(told);
    for _ in 0..6 {
        short::send(&world.broker).await.unwrap();
    }
    later::message().delay(Duration::from_secs(2)).send(&world.broker).await.unwrap();
    let _: () = world.redis(&["CONFIG", "SET", "maxmemory", "1"]);
    let said = world.python(SCRIPT);
    assert!(said.contains("maxmemory"), "dramatiq says: {said}");
    let refused = short::send(&world.broker).await.unwrap_err();
    assert!(matches!(refused, EnqueueError::NotStored { stored: 0, cause: StoreError::Full(_) }), "{refused:?}");
    // The other one lives beside it. If it could not beat, what comes due would stay where it is.
    let mut ran: Vec<_> = (0..8).map(|_| next()).collect();
    ran.sort_unstable();
    assert_eq!(ran, ["later", "long", "short", "short", "short", "short", "short", "short"]);
    world.settle();

    let _: () = world.redis(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(world.python(SCRIPT), "sent\n");
    assert_eq!(next(), "short");
    fail::send(&world.broker).await.unwrap();
    assert_eq!([next(), next()], ["fail", "fail"]);
    world.settle();
    for (stopper, run) in [busy, other] {
        stopper.stop();
        assert_eq!(run.await.expect("no panic").expect("a worker without mistakes"), Shutdown::Clean);
    }
    assert!(heard.try_recv().is_err(), "something ran once more");
}
