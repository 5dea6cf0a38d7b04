//! Options of an actor that middleware of the user's reads.

use common::actor::{Actor, Options};
use common::broker::Broker;
use common::middleware::{Decision, Middleware, Run};
use common::testing::TestBroker;
use common::{actor, actors};

#[actor(options(tenant_required = true, weight = 3))]
fn charge(tenant: Option<String>) {
    _ = tenant;
}

#[actor(options(
    text = "a \"b\"\\\n\u{e9}",
    less = -7,
    most = 18_446_744_073_709_551_615,
    hex = 0xff_u8,
    part = -1.50,
    small = 1e-7,
    list = [1, "two", [true]],
    empty = [],
    r#type = false,
))]
fn describe() {}

#[actor]
fn plain() {}

/// Rejects messages without a tenant, where their actor asks for one.
struct Tenants;

impl Middleware for Tenants {
    fn before_run(&self, run: &Run<'_>) -> Decision {
        let is_required = run.actor.options.read::<bool>("tenant_required").unwrap_or_default();
        if is_required && run.message.options.get("tenant").is_none() {
            return Decision::Reject("it has no tenant".to_owned());
        }
        Decision::Run
    }
}

#[tokio::test]
async fn middleware_reads_them_and_they_do_not_travel() {
    let broker = TestBroker::from_builder(Broker::builder().with(Tenants));
    let sent = charge::send(&broker, None).await.unwrap();
    assert!(sent.options.is_empty(), "{:?}", sent.options);
    charge::message(None).option("tenant", "ada".into()).send(&broker).await.unwrap();
    plain::send(&broker).await.unwrap();
    broker.worker().actors(actors![charge, plain]).run_until_idle().await.unwrap();
    let dead = broker.dead_letters("default").await;
    assert_eq!(dead.iter().map(|letter| letter.reason.as_deref()).collect::<Vec<_>>(), [Some("it has no tenant")]);
}

#[test]
fn their_values_are_json() {
    let options = charge::DECLARATION.options;
    assert_eq!(options.read::<u8>("weight"), Some(3));
    assert_eq!(options.read::<bool>("weight"), None);
    assert_eq!(options.read::<u8>("height"), None);

    let options = describe::DECLARATION.options;
    assert_eq!(options.read::<String>("text").as_deref(), Some("a \"b\"\\\n\u{e9}"));
    assert_eq!(options.read::<u64>("most"), Some(u64::MAX));
    let all: Vec<_> = options.iter().skip(1).map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        all,
        [
            "less=-7",
            "most=18446744073709551615",
            "hex=255",
            "part=-1.5",
            "small=1e-7",
            r#"list=[1,"two",[true]]"#,
            "empty=[]",
            "type=false"
        ]
    );
    assert_eq!((plain::DECLARATION.options, Options::NONE.is_empty()), (Options::NONE, true));
}
