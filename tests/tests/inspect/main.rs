//! Looking inside, and moving by hand, as a person does it: every command while workers run, on Redis and on SQLite.
#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

/// Makes each of these functions a test on every store that processes share.
macro_rules! on_each_store {
    ($($name:ident),* $(,)?) => {
        mod redis {
            $(#[test] fn $name() { super::$name(&$crate::backend::Backend::redis()); })*
        }
        mod sqlite {
            $(#[test] fn $name() { super::$name(&$crate::backend::Backend::sqlite()); })*
        }
    };
}

mod backend;
#[path = "../support/experiment.rs"]
#[expect(dead_code, reason = "this test needs only how experiments are built")]
mod experiment;

mod cancel;
mod dead;
mod pause;
mod python;
mod queues;
mod refused;
mod result;
mod sent;
mod show;
