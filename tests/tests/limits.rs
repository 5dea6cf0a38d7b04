//! Limits that both languages share, on one Redis; and whose holders die.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use common::broker::Broker;
use common::clock::Stopwatch;
use common::error::StoreError;
use common::rate_limits::{Arrival, Barrier, BarrierState, Bucket, Concurrent, Guard, LimitError, Window};
use redis::Commands as _;
use tests::process::{FIVE_SECONDS, PATIENCE, Process, eventually};
use tests::redis::Server;
use tests::{python, redis as kit};

/// How often each of the threads holds a slot.
const ROUNDS: u32 = 40;

/// What scripts of Python's begin with.
const LIMITS: &str = "
import os, threading, time
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend
limits = RedisBackend(url=os.environ['KIT_REDIS_URL'])
";

fn python_script(script: &str) -> String {
    python::with_broker(&format!("{LIMITS}\n{script}"), &kit::url(), &kit::fresh_namespace())
}

fn broker() -> Broker {
    Broker::connect_blocking(&format!("{}?namespace={}", kit::url(), kit::namespace())).unwrap()
}

/// A key that no other test has.
fn key(of: &str) -> String {
    format!("{of}-{}", kit::fresh_namespace())
}

fn is_denied<T>(answer: &Result<T, LimitError>) -> bool {
    matches!(answer, Err(LimitError::Exceeded(_)))
}

/// Another process that takes a slot.
fn holder(key: &str, limit: u32, ttl: Duration) -> Process {
    let url = format!("{}?namespace={}", kit::url(), kit::fresh_namespace());
    let args = ["hold", &url, key, &limit.to_string(), &ttl.as_millis().to_string()];
    Process::start(Path::new(env!("CARGO_BIN_EXE_peer")), &args, &[])
}

/// Five threads of each language want the same slots; each counts who is inside.
fn never_exceeds(limit: u32) {
    let (broker, key) = (broker(), key("limit"));
    let inside = format!("{key}-inside");
    let script = format!(
        "
def hold():
    limiter = ConcurrentRateLimiter(limits, '{key}', limit={limit})
    rounds = 0
    while rounds < {ROUNDS}:
        with limiter.acquire(raise_on_failure=False) as acquired:
            if acquired:
                count = limits.client.incr('{inside}')
                if count > {limit}: print('exceeded:', count)
                limits.client.decr('{inside}')
                rounds += 1
        if not acquired: time.sleep(0.001)

threads = [threading.Thread(target=hold) for _ in range(5)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print('done')
"
    );
    let hold = || {
        let (limiter, mut redis) = (Concurrent::new(&*key, limit), kit::connection());
        for _ in 0..ROUNDS {
            let slot = limiter.acquire_within_blocking(&broker, PATIENCE).unwrap();
            let count: u32 = redis.incr(&inside, 1).unwrap();
            assert!(count <= limit, "{count} hold one of {limit} slots");
            let _: i64 = redis.decr(&inside, 1).unwrap();
            assert!(!slot.is_lost());
            drop(slot);
        }
    };
    let said = thread::scope(|scope| {
        let python = scope.spawn(|| python_script(&script));
        let rust: Vec<_> = (0..5).map(|_| scope.spawn(hold)).collect();
        for thread in rust {
            thread.join().unwrap();
        }
        python.join().unwrap()
    });
    assert_eq!(said.trim(), "done");
    let limiter = Concurrent::new(&*key, limit);
    let all: Vec<_> = (0..limit).map(|_| limiter.acquire_within_blocking(&broker, PATIENCE).unwrap()).collect();
    assert!(is_denied(&limiter.acquire_blocking(&broker)), "{all:?}");
}

#[test]
fn a_mutex_is_held_by_one_of_both_languages() {
    never_exceeds(1);
}

#[test]
fn a_limit_of_three_holds_for_both_languages() {
    never_exceeds(3);
}

#[test]
fn the_slots_of_killed_holders_are_free_after_their_leases() {
    let (broker, key, ttl) = (broker(), key("killed"), Duration::from_secs(15));
    let limiter = Concurrent::new(&*key, 2).ttl(ttl);
    let holders = [holder(&key, 2, ttl), holder(&key, 2, ttl)];
    for holder in &holders {
        holder.wait_for_line("holds");
    }
    assert!(is_denied(&limiter.acquire_blocking(&broker)));
    // Not while they live, whatever time passes.
    let lease = ttl / 3;
    assert!(is_denied(&limiter.acquire_within_blocking(&broker, lease * 3 / 2)));
    let watch = Stopwatch::start();
    for holder in &holders {
        holder.kill();
    }
    let slots = [1, 2].map(|_| limiter.acquire_within_blocking(&broker, PATIENCE).unwrap());
    let took = watch.elapsed();
    assert!(took < FIVE_SECONDS, "{took:?}, and a lease is {lease:?}");
    assert!(slots.iter().all(|slot| !slot.is_lost()));
}

#[test]
fn a_holder_that_was_stopped_learns_that_it_has_lost_its_slot_and_frees_nobodys() {
    let (broker, key, ttl) = (broker(), key("stopped"), Duration::from_secs(15));
    let limiter = Concurrent::mutex(&*key).ttl(ttl);
    let late = holder(&key, 1, ttl);
    let fence: u64 = late.wait_for_line("holds").rsplit(' ').next().unwrap().parse().unwrap();
    late.suspend();
    let slot = limiter.acquire_within_blocking(&broker, PATIENCE).unwrap();
    assert!(slot.fence() > fence);
    late.resume();
    late.wait_for_line("lost true");
    late.wait_for_line("released false");
    assert!(is_denied(&limiter.acquire_blocking(&broker)), "it is held by the next one");
    assert!(!slot.is_lost());
    assert_eq!(slot.release_blocking(), Ok(true));
    let count: Option<String> = kit::connection().get(&key).unwrap();
    assert_eq!(count, None, "nobody holds one");
}

#[test]
fn a_slot_that_python_has_leaked_comes_back_while_rust_goes_on() {
    let (broker, key, ttl) = (broker(), key("leaked"), Duration::from_secs(6));
    let limiter = Concurrent::new(&*key, 2).ttl(ttl);
    let leak = format!("print(ConcurrentRateLimiter(limits, '{key}', limit=2, ttl={})._acquire())", ttl.as_millis());
    assert_eq!(python_script(&leak).trim(), "True");
    let both = eventually(PATIENCE, || {
        let one = limiter.acquire_blocking(&broker).unwrap();
        let other = limiter.acquire_blocking(&broker);
        one.release_blocking().unwrap();
        other.ok()
    });
    assert!(both.is_some(), "the slot that was leaked is free again");
}

#[test]
fn what_rust_holds_outlives_the_counter_of_python() {
    let (broker, key, ttl) = (broker(), key("outlived"), Duration::from_secs(9));
    let limiter = Concurrent::new(&*key, 3).ttl(ttl);
    let python = format!(
        "
limiter = ConcurrentRateLimiter(limits, '{key}', limit=3, ttl={})
print([limiter._acquire() for _ in range(3)])",
        ttl.as_millis()
    );
    let held = [1, 2].map(|_| limiter.acquire_blocking(&broker).unwrap());
    assert_eq!(python_script(&python).trim(), "[True, False, False]");
    // What Python took is forgotten, and what Rust holds is not.
    let counter = || kit::connection().get::<_, Option<String>>(&key).unwrap();
    let begun_anew = eventually(PATIENCE, || (counter().as_deref() == Some("2")).then_some(()));
    assert!(begun_anew.is_some(), "{:?}", counter());
    assert_eq!(python_script(&python).trim(), "[True, False, False]", "Python gets what is left");
    assert!(held.iter().all(|slot| !slot.is_lost()));
    // A late release of Python's lowers the counter, and frees nobody's slot.
    let late =
        format!("limiter = ConcurrentRateLimiter(limits, '{key}', limit=3)\nfor _ in range(3): limiter._release()");
    python_script(&late);
    let third = limiter.acquire_blocking(&broker).unwrap();
    assert!(is_denied(&limiter.acquire_blocking(&broker)), "three are held");
    assert!([&held[0], &held[1], &third].iter().all(|slot| !slot.is_lost()));
}

#[test]
fn rates_of_both_languages_are_counted_together() {
    // So long that none ends while the test runs, at whatever time of day.
    let (broker, age) = (broker(), Duration::from_secs(100_000 * 24 * 60 * 60));
    let (bucket, window) = (key("bucket"), key("window"));
    let python = format!(
        "
bucket = BucketRateLimiter(limits, '{bucket}', limit=5, bucket={})
window = WindowRateLimiter(limits, '{window}', limit=5, window=600)
print([limiter._acquire() for limiter in (bucket, window) for _ in range(3)])",
        age.as_millis()
    );
    assert_eq!(python_script(&python).trim(), format!("{:?}", ["True"; 6]).replace('"', ""));
    let (bucket, window) = (Bucket::new(bucket, 5, age), Window::new(window, 5, 600));
    bucket.acquire_blocking(&broker).unwrap();
    window.acquire_blocking(&broker).unwrap();
    let some = "[True, False, False, True, False, False]";
    assert_eq!(python_script(&python).trim(), some);
    let again = |denied| match denied {
        Err(LimitError::Exceeded(denied)) => LimitError::Exceeded(denied),
        other => panic!("{other:?}"),
    };
    let LimitError::Exceeded(denied) = again(bucket.acquire_blocking(&broker)) else { unreachable!() };
    assert!(denied.again().is_some_and(|again| again <= age), "{denied:?}");
    let LimitError::Exceeded(denied) = again(window.acquire_blocking(&broker)) else { unreachable!() };
    assert!(denied.again().is_some_and(|again| again <= Duration::from_secs(600)), "{denied:?}");
}

#[test]
fn parties_of_both_languages_wait_for_each_other() {
    let broker = broker();
    let arrive = |key: &str| python_script(&format!("print(Barrier(limits, '{key}').wait(timeout=60_000))"));
    for last_is_rust in [true, false] {
        let key = key("barrier");
        let barrier = Barrier::new(&*key);
        assert_eq!(barrier.create_blocking(&broker, 3), Ok(true));
        assert_eq!(barrier.arrive_blocking(&broker), Ok(Arrival::Waiting(2)));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| barrier.wait_blocking(&broker, PATIENCE));
            let first = scope.spawn(|| arrive(&key));
            let is_there =
                || (barrier.wait_blocking(&broker, Duration::ZERO) == Ok(BarrierState::Waiting(1))).then_some(());
            assert!(eventually(PATIENCE, is_there).is_some());
            if last_is_rust {
                assert_eq!(barrier.arrive_blocking(&broker), Ok(Arrival::Last));
            } else {
                assert_eq!(arrive(&key).trim(), "True");
            }
            assert_eq!(waiting.join().unwrap(), Ok(BarrierState::Open));
            assert_eq!(first.join().unwrap().trim(), "True");
        });
        assert_eq!(barrier.arrive_blocking(&broker), Ok(Arrival::Open));
    }
}

/// How often the server has run a script, and a `GET` of any.
fn asked(server: &Server) -> usize {
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut server.connection()).unwrap();
    let calls = |command: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse().unwrap())
    };
    ["eval", "evalsha", "get"].into_iter().map(calls).sum()
}

#[test]
fn who_waits_for_a_slot_asks_nothing_until_one_is_given_back() {
    let server = Server::start();
    let broker = Broker::connect_blocking(&server.url()).unwrap();
    let limiter = Concurrent::mutex("one");
    let (slot, watch) = (limiter.acquire_blocking(&broker).unwrap(), Stopwatch::start());
    let before = asked(&server);
    thread::scope(|scope| {
        let waiting: Vec<_> = (0..10)
            .map(|_| scope.spawn(|| limiter.acquire_within_blocking(&broker, PATIENCE).map(Guard::release_blocking)))
            .collect();
        // One of them is denied, by a script that reads the counter; then it looks at that, to be told of its change.
        let looked = eventually(PATIENCE, || (asked(&server) >= before + 3).then_some(()));
        assert!(looked.is_some(), "{} and {before}", asked(&server));
        let asked_meanwhile = eventually(Duration::from_millis(500), || (asked(&server) > before + 3).then_some(()));
        // But for the renewal of what is held.
        let may_be_renewed = watch.elapsed() > Duration::from_secs(2);
        assert!(asked_meanwhile.is_none() || may_be_renewed, "{} and {before}", asked(&server));
        drop(slot);
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap(), Ok(Ok(true)));
        }
    });
}

#[test]
fn what_others_keep_under_a_limits_key_is_left_as_it_is() {
    let (broker, key) = (broker(), key("foreign"));
    let mut redis = kit::connection();
    let _: () = redis.set(&key, "a text").unwrap();
    let refused = Concurrent::mutex(&*key).acquire_blocking(&broker).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("`{key}` holds something foreign")), "{refused}");
    let refused = Barrier::new(&*key).arrive_blocking(&broker).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("`{key}` holds something foreign")), "{refused}");
    assert_eq!(redis.get::<_, String>(&key).unwrap(), "a text");
    let holders = format!("{{{key}}}@holders");
    let _: () = redis.del(&key).unwrap();
    let _: () = redis.set(&holders, "a text").unwrap();
    let refused = Concurrent::mutex(&*key).acquire_blocking(&broker).unwrap_err().to_string();
    assert!(refused.starts_with(&format!("`{holders}` holds something foreign")), "{refused}");
}

#[test]
fn on_a_full_server_slots_are_refused_and_given_back() {
    let server = Server::start();
    let broker = Broker::connect_blocking(&server.url()).unwrap();
    let room = |bytes: &str| {
        let _: () =
            redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).query(&mut server.connection()).unwrap();
    };
    let limiter = Concurrent::new("limit", 3);
    let slots = [1, 2].map(|_| limiter.acquire_blocking(&broker).unwrap());
    room("1");
    let refused = limiter.acquire_blocking(&broker);
    assert!(matches!(refused, Err(LimitError::Store(StoreError::Full(_)))), "{refused:?}");
    for slot in slots {
        assert_eq!(slot.release_blocking(), Ok(true));
    }
    room("0");
    let all = [1, 2, 3].map(|_| limiter.acquire_blocking(&broker).unwrap());
    assert!(is_denied(&limiter.acquire_blocking(&broker)), "{all:?}");
}
