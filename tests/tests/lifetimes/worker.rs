//! Workers whose `run` is dropped, or whose runtime ends.

use std::{pin::pin, sync::Arc, thread};

use common::{
    actor::{Declaration, actors},
    broker::Broker,
    error::WorkerError,
    worker::{Shutdown, Worker},
};
use tokio::runtime::{Builder, Runtime};

use crate::site::{Gate, Site, all_have_left, begin, block_on, eventually, hold, hold_async, note, send_notes, settle};

const ACTORS: &[&Declaration] = actors![hold, hold_async, note];
const SYNC_ACTORS: &[&Declaration] = actors![hold, note];

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn worker(broker: &Broker, gate: &Arc<Gate>, threads: usize) -> Worker {
    Worker::new(broker.clone()).threads(threads).prefetch(2 * threads).actors(ACTORS).state(gate.clone())
}

/// Runs all that is left, with another worker, and tells in which order.
fn what_an_heir_runs(broker: &Broker) -> Vec<u32> {
    let gate = Arc::<Gate>::default();
    gate.open();
    runtime().block_on(worker(broker, &gate, 1).run_until_idle()).unwrap();
    gate.began()
}

/// Starts a worker of one slot in a way of its own, and drops its `run` while one message runs and two wait.
fn dropped(drop_it: impl Fn(Worker, &(dyn Fn() + Sync))) {
    for site in Site::all() {
        let (looker, gate) = (site.broker(), Arc::<Gate>::default());
        hold::message(1).send_blocking(&looker).unwrap();
        let is_busy = || {
            eventually("it runs the first", || gate.began() == [1]);
            send_notes(&looker, [2, 3]);
            settle(&looker, "two are prefetched", 0, 3);
        };
        drop_it(worker(&site.broker(), &gate, 1), &is_busy);
        settle(&looker, "what has not started is back", 2, 1);
        send_notes(&looker, [4]);
        assert!(gate.ended().is_empty(), "what runs goes on");
        gate.open();
        settle(&looker, "what ran has ended, and nothing else was fetched", 3, 0);
        assert_eq!(gate.ended(), [1]);
        all_have_left(&looker);
        assert_eq!(what_an_heir_runs(&looker), [2, 3, 4], "in order, on {}", looker.address());
        settle(&looker, "all have run", 0, 0);
    }
}

#[test]
fn a_worker_whose_task_is_aborted_requeues_what_has_not_started_and_ends() {
    let runtime = runtime();
    dropped(|worker, is_busy| {
        let run = runtime.spawn(worker.run());
        is_busy();
        run.abort();
    });
}

#[test]
fn a_worker_that_loses_a_select_requeues_what_has_not_started_and_ends() {
    let runtime = runtime();
    dropped(|worker, is_busy| {
        thread::scope(|scope| {
            let (tell, told) = tokio::sync::oneshot::channel();
            scope.spawn(move || {
                is_busy();
                tell.send(()).unwrap();
            });
            runtime.block_on(async {
                tokio::select! {
                    ended = worker.run() => panic!("it should not end: {ended:?}"),
                    told = told => told.unwrap(),
                }
            });
        });
    });
}

#[test]
fn a_worker_whose_handle_is_dropped_requeues_what_has_not_started_and_ends() {
    let runtime = runtime();
    dropped(|worker, is_busy| {
        let running = {
            let _inside = runtime.enter();
            worker.start()
        };
        is_busy();
        drop(running);
    });
}

#[test]
fn a_worker_that_is_dropped_can_still_be_told_to_stop_at_once() {
    let runtime = runtime();
    for site in Site::all() {
        let (looker, gate) = (site.broker(), Arc::<Gate>::default());
        hold::message(1).send_blocking(&looker).unwrap();
        let worker = worker(&site.broker(), &gate, 1);
        let stopper = worker.stopper();
        let run = runtime.spawn(worker.run());
        eventually("it runs", || gate.began() == [1]);
        run.abort();
        stopper.stop_now();
        settle(&looker, "what runs is back", 1, 0);
        all_have_left(&looker);
        gate.open();
    }
}

#[test]
fn a_worker_that_is_dropped_before_it_is_ready_leaves_nothing_behind() {
    let runtime = runtime();
    for site in Site::all() {
        let (looker, gate) = (site.broker(), Arc::<Gate>::default());
        note::message(1).send_blocking(&looker).unwrap();
        let _inside = runtime.enter();
        let worker = worker(&site.broker(), &gate, 1).on_ready(|| panic!("nobody is there to be told"));
        let mut run = Box::pin(worker.run());
        begin(run.as_mut());
        drop(run);
        all_have_left(&looker);
        assert_eq!(what_an_heir_runs(&looker), [1]);
        settle(&looker, "it has run", 0, 0);
        all_have_left(&looker);
        assert!(gate.began().is_empty());
    }
}

#[test]
fn a_runtime_that_ends_takes_its_worker_along() {
    for site in Site::all() {
        let (looker, gate) = (site.broker(), Arc::<Gate>::default());
        hold_async::message(1).send_blocking(&looker).unwrap();
        hold::message(2).send_blocking(&looker).unwrap();
        let runtime = runtime();
        runtime.spawn(worker(&site.broker(), &gate, 2).run());
        eventually("two run", || gate.began().len() == 2);
        send_notes(&looker, 3..=6);
        settle(&looker, "four are prefetched", 0, 6);
        drop(runtime);
        settle(&looker, "all are back, but what runs on a thread", 5, 1);
        gate.open();
        settle(&looker, "that one has ended", 5, 0);
        assert_eq!(gate.ended(), [2]);
        all_have_left(&looker);
        let mut ran = what_an_heir_runs(&looker);
        // The one that was dropped in the middle comes before or after them.
        ran.retain(|number| *number != 1);
        assert_eq!(ran, [3, 4, 5, 6], "in order, on {}", looker.address());
        settle(&looker, "all have run", 0, 0);
    }
}

#[test]
fn a_runtime_that_ends_amid_a_panic_takes_its_worker_along() {
    for site in Site::all() {
        let (looker, gate) = (site.broker(), Arc::<Gate>::default());
        hold_async::message(1).send_blocking(&looker).unwrap();
        let worker = worker(&site.broker(), &gate, 1);
        // As in a test whose assertion fails while an actor runs.
        let failing = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                tokio::spawn(worker.run());
                while gate.began().is_empty() {
                    tokio::task::yield_now().await;
                }
                panic!("as the test wants it");
            });
        });
        assert!(failing.join().is_err());
        settle(&looker, "it is back", 1, 0);
        all_have_left(&looker);
    }
}

#[test]
fn a_worker_ends_with_the_runtime_of_its_async_actors_though_its_future_lives() {
    for site in Site::all() {
        let (looker, gate) = (site.broker(), Arc::<Gate>::default());
        hold_async::message(1).send_blocking(&looker).unwrap();
        let (runtime, worker) = (runtime(), worker(&site.broker(), &gate, 2));
        let handle = runtime.handle().clone();
        let running = thread::spawn(move || {
            let _inside = handle.enter();
            block_on(worker.run())
        });
        eventually("it runs", || gate.began() == [1]);
        drop(runtime);
        assert_eq!(running.join().unwrap().unwrap(), Shutdown::Forced, "one was dropped in the middle");
        settle(&looker, "it is back", 1, 0);
        all_have_left(&looker);
    }
}

#[test]
fn a_worker_holds_its_broker_until_it_has_ended() {
    let runtime = runtime();
    for site in Site::all() {
        let (looker, gate) = (site.broker(), Arc::<Gate>::default());
        let broker = site.broker();
        let worker = worker(&broker, &gate, 1);
        // From now on nobody else holds it; the worker itself lets go of it on the broker's own thread.
        drop(broker);
        let run = runtime.spawn(worker.run());
        hold::message(1).send_blocking(&looker).unwrap();
        eventually("it runs", || gate.began() == [1]);
        run.abort();
        gate.open();
        settle(&looker, "it has ended", 0, 0);
        all_have_left(&looker);
    }
}

#[test]
fn sync_actors_run_without_any_runtime_and_async_ones_are_refused() {
    for site in Site::all() {
        let (broker, gate) = (site.broker(), Arc::<Gate>::default());
        gate.open();
        let refused = block_on(worker(&broker, &gate, 1).run());
        assert_eq!(refused, Err(WorkerError::NoRuntime("hold_async")));
        for number in 1..=3 {
            hold::message(number).send_blocking(&broker).unwrap();
        }
        let worker = Worker::new(broker.clone()).threads(1).actors(SYNC_ACTORS).state(gate.clone());
        assert_eq!(block_on(worker.run_until_idle()), Ok(Shutdown::Clean));
        assert_eq!(gate.ended(), [1, 2, 3]);
    }
}

#[test]
fn workers_of_several_runtimes_share_a_broker() {
    for site in Site::all() {
        let (broker, gates) = (site.broker(), [(); 2].map(|()| Arc::<Gate>::default()));
        let (first, second) = (runtime(), runtime());
        hold_async::message(1).send_blocking(&broker).unwrap();
        first.spawn(worker(&broker, &gates[0], 1).run());
        eventually("the first runs", || gates[0].began() == [1]);
        send_notes(&broker, [2, 3]);
        settle(&broker, "and has enough", 0, 3);
        let run = second.spawn(worker(&broker, &gates[1], 1).run());
        hold_async::message(4).send_blocking(&broker).unwrap();
        eventually("the second runs", || gates[1].began() == [4]);
        drop(first);
        gates[1].open();
        settle(&broker, "the one that is left runs all", 0, 0);
        let mut ran = gates[1].ended();
        ran.sort_unstable();
        assert_eq!((gates[0].ended(), ran), (vec![], vec![1, 2, 3, 4]));
        run.abort();
        all_have_left(&broker);
    }
}

#[test]
fn what_is_done_when_a_worker_is_ready_may_block_and_send() {
    for site in Site::all() {
        let (broker, gate) = (site.broker(), Arc::<Gate>::default());
        let sender = broker.clone();
        let worker = Worker::new(broker).threads(1).actors(SYNC_ACTORS).state(gate.clone());
        let worker = worker.on_ready(move || drop(note::message(7).send_blocking(&sender).unwrap()));
        let run = pin!(worker.run_until_idle());
        assert_eq!(block_on(run), Ok(Shutdown::Clean));
        assert_eq!(gate.ended(), [7]);
    }
}
