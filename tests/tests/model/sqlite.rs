//! The store in a SQLite file.

use crate::run;
use common::{
    clock::Clock,
    stores::sqlite::{SqliteStore, Synchronous},
};
use std::sync::Arc;
use tempfile::TempDir;
use tests::model::{
    freedom::Freedom,
    sequence::{Scene, Stage},
};

/// How many sequences a normal run plays.
const SEQUENCES: u64 = 2_000;

/// One file, with a namespace for each sequence.
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
        let store =
            SqliteStore::open(&self.folder.path().join("model.db"), Synchronous::Normal, &namespace, clock).unwrap();
        Scene { store: Arc::new(store), results: format!("{namespace}-result-"), script: None }
    }
}

#[test]
fn sqlite_does_what_the_model_says() {
    run::all(&Sqlite { folder: tempfile::tempdir().unwrap() }, SEQUENCES, run::cores());
}
