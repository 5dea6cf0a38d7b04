//! Brokers that are used from several runtimes, and dropped while something is under way.

use std::thread;

use tokio::runtime::Runtime;

use crate::site::{Site, begin, note, settle};

#[test]
fn several_runtimes_and_plain_threads_share_a_broker() {
    for site in Site::all() {
        let broker = site.broker();
        let runtimes = [(); 2].map(|()| Runtime::new().unwrap());
        let tasks = [1, 2].map(|number| {
            let broker = broker.clone();
            runtimes[number as usize - 1].spawn(async move { note::send(&broker, number).await })
        });
        for task in tasks {
            runtimes[0].block_on(task).unwrap().unwrap();
        }
        let clone = broker.clone();
        thread::spawn(move || note::message(3).send_blocking(&clone).unwrap()).join().unwrap();
        settle(&broker, "all are stored", 3, 0);
        // A runtime in which it was used is gone: nothing of it lived there.
        drop(runtimes);
        note::message(4).send_blocking(&broker).unwrap();
        settle(&broker, "and one more", 4, 0);
    }
}

#[test]
fn a_runtime_in_which_a_broker_was_connected_may_end() {
    for site in Site::all() {
        let runtime = Runtime::new().unwrap();
        let broker = runtime.block_on(async { tokio::task::block_in_place(|| site.broker()) });
        drop(runtime);
        note::message(1).send_blocking(&broker).unwrap();
        settle(&broker, "it is stored", 1, 0);
    }
}

#[test]
fn what_was_begun_is_done_though_the_last_clone_is_dropped() {
    for site in Site::all() {
        let looker = site.broker();
        // In a task, with the future of the call.
        let broker = site.broker();
        Runtime::new().unwrap().block_on(async move {
            let mut sending = Box::pin(async move { note::send(&broker, 1).await });
            begin(sending.as_mut());
        });
        settle(&looker, "the first is stored", 1, 0);
        // On a thread that has no runtime.
        let broker = site.broker();
        let mut sending = Box::pin(async move { note::send(&broker, 2).await });
        begin(sending.as_mut());
        drop(sending);
        settle(&looker, "the second is stored", 2, 0);
    }
}
