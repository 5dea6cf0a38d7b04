//! The store in a SQLite file.

use crate::run;
use common::{
    clock::Clock,
    stores::sqlite::{SqliteStore, Synchronous},
};
use std::{sync::Arc, thread};
use tempfile::TempDir;
use tests::model::{
    freedom::Freedom,
    sequence::{Scene, Stage},
};

/// How many sequences a normal run plays.
const SEQUENCES: u64 = 2_000;

/// One file for each thread, with a namespace for each sequence. All who share a file share its time, so it can't be shared by
/// sequences that are played at once, each by a clock of its own.
struct Sqlite {
    folder: TempDir,
}

impl Stage for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn freedom(&self) -> Freedom {
        Freedom::SQLITE
    }

    async fn open(&self, clock: Clock) -> Scene {
        let namespace = tests::redis::fresh_namespace();
        let path = self.folder.path().join(format!("{:?}.db", thread::current().id()));
        let store = SqliteStore::open(&path, Synchronous::Normal, &namespace, clock).unwrap();
        Scene { store: Arc::new(store), results: format!("{namespace}-result-"), script: None }
    }
}

#[test]
fn sqlite_does_what_the_model_says() {
    run::all(&Sqlite { folder: tempfile::tempdir().unwrap() }, SEQUENCES, run::cores());
}
