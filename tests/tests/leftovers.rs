//! What a worker and its broker leave behind: nothing. A program of its own, so that its threads and files can be listed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{collections::BTreeMap, fs, path::Path};

use common::{
    actor,
    actor::actors,
    broker::Broker,
    testing::TestBroker,
    worker::{Shutdown, Worker},
};
use tests::{
    process::{self, PATIENCE},
    redis,
};
use tokio::runtime::Builder;

#[actor]
fn note(_number: u32) {}

#[actor]
async fn note_async(_number: u32) {}

/// The names of all threads, and what all open files are, with how many there are of each.
fn there_is() -> BTreeMap<String, usize> {
    let names = |folder: &str, name: fn(&Path) -> Option<String>| -> Vec<String> {
        // The folder that is being read is open as well, and gone by the time that its name is asked for.
        fs::read_dir(folder).unwrap().filter_map(|entry| name(&entry.unwrap().path())).collect()
    };
    let threads = names("/proc/self/task", |task| fs::read_to_string(task.join("comm")).ok());
    let files = names("/proc/self/fd", |file| Some(fs::read_link(file).ok()?.display().to_string()));
    let mut all = BTreeMap::new();
    for name in threads.into_iter().chain(files.into_iter().filter(|file| !file.starts_with("/proc/"))) {
        *all.entry(name).or_default() += 1;
    }
    all
}

#[test]
fn a_worker_that_has_ended_leaves_no_thread_and_no_connection() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = format!("sqlite:{}", folder.path().join("tasks.db").display());
    let (redis, namespace) = (redis::url(), redis::fresh_namespace());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let before = there_is();
    let is_gone = |what: &str| {
        let is_gone = process::eventually(PATIENCE, || (there_is() == before).then_some(()));
        assert!(is_gone.is_some(), "{what} leaves something: {:#?} is there, and was {before:#?}", there_is());
    };
    for url in ["memory:", &sqlite, &redis] {
        runtime.block_on(async {
            let broker = Broker::builder().namespace(&namespace).connect(url).await.unwrap();
            note::send(&broker, 1).await.unwrap();
            note_async::send(&broker, 2).await.unwrap();
            let worker = Worker::new(broker).actors(actors![note, note_async]);
            assert_eq!(worker.run_until_idle().await, Ok(Shutdown::Clean));
        });
        is_gone(url);
    }
    runtime.block_on(async {
        let broker = TestBroker::new();
        note::send(&broker, 1).await.unwrap();
        let stopped = broker.worker().actors(actors![note]).run_until_done().await;
        assert_eq!(stopped, Ok(Shutdown::Clean));
    });
    is_gone("a broker under a clock that stands still");
}
