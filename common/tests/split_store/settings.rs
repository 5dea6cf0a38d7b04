//! How a broker is told of other places.

use common::broker::Broker;
use common::clock::Clock;
use common::error::ConnectError;
use common::stores::memory::MemoryStore;

fn both() -> common::broker::BrokerBuilder {
    Broker::builder().results_at("redis://me:secret@results.invalid/1").groups_at("redis://:secret@groups.invalid")
}

#[test]
fn a_builder_shows_no_password() {
    let shown = format!("{:?}", both());
    assert!(!shown.contains("secret") && !shown.contains("me:"), "{shown}");
    assert!(shown.contains("redis://results.invalid/1") && shown.contains("redis://groups.invalid"), "{shown}");
}

#[tokio::test]
async fn an_error_says_which_of_the_urls_is_wrong() {
    for (builder, setting) in [
        (Broker::builder().results_at("kafka://me:secret@host"), "results_at"),
        (Broker::builder().results_at("memory:").groups_at("redis://me:secret@host?secret=secret"), "groups_at"),
        (Broker::builder().results_at("redis://me:secret@127.0.0.1:1/1"), "results_at"),
        (Broker::builder().groups_at("redis://me:secret@127.0.0.1:1/1"), "groups_at"),
    ] {
        let error = builder.connect("memory:").await.unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(matches!(&error, ConnectError::Elsewhere { setting: named, .. } if *named == setting), "{said}");
        assert!(said.starts_with(&format!("{setting}: ")) && !said.contains("secret@"), "{said}");
        assert!(!said.replace("secret=…", "").replace("`secret`", "").contains("secret"), "{said}");
    }
    let error = both().connect("nowhere").await.unwrap_err();
    assert!(matches!(error, ConnectError::Url { .. }), "{error}");
}

#[test]
fn a_store_of_ones_own_is_split_by_oneself() {
    let error = both().on_store(MemoryStore::new(Clock::system())).unwrap_err();
    assert!(error.to_string().contains("SplitStore"), "{error}");
}

/// Where everything is in one place, everything is in one step.
#[tokio::test]
async fn the_brokers_own_url_is_no_other_place() {
    let broker = Broker::builder().results_at(" memory:\n").groups_at("memory:").connect("memory:").await.unwrap();
    assert!(!format!("{broker:?}").contains("SplitStore"), "{broker:?}");
}
