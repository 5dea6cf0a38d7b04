//! Arguments that are sent by name.

use common::actor;
use common::actor::States;
use common::testing::TestBroker;

use super::{run_message, value};

#[actor]
fn invoice(customer: u64, #[kwarg] due: String, #[kwarg] r#type: Option<u8>) -> String {
    let kind = r#type;
    format!("{customer} {due} {kind:?}")
}

/// Whether something may be left out does not depend on the order here.
#[actor]
async fn offer(
    #[default = 1] customer: u64,
    #[kwarg]
    #[default = "EUR"]
    currency: String,
    #[kwarg] cents: u32,
) -> String {
    format!("{customer} {currency} {cents}")
}

#[tokio::test]
async fn they_travel_under_their_names() {
    let broker = TestBroker::new();
    let sent = invoice::send(&broker, 7, "now", None).await.unwrap();
    assert_eq!(sent.to_string(), r#"invoice(7, due="now", type=null)"#);
    let sent = offer::message(8, "CHF", 3).send(&broker).await.unwrap();
    assert_eq!(sent.to_string(), r#"offer(8, currency="CHF", cents=3)"#);
    assert_eq!(invoice::sent(&broker), [(7, "now".to_owned(), None)]);
    assert_eq!(offer::sent(&broker), [(8, "CHF".to_owned(), 3)]);
}

#[tokio::test]
async fn they_are_read_by_position_too() {
    for entries in [
        r#""args":[7],"kwargs":{"type":1,"due":"now"}"#,
        r#""args":[7,"now",1],"kwargs":{}"#,
        r#""args":[],"kwargs":{"due":"now","customer":7,"type":1}"#,
    ] {
        let outcome = run_message::<invoice>(&format!(r#"{entries},"options":{{}}"#), States::default()).await;
        assert_eq!(outcome, value("7 now Some(1)"), "{entries}");
    }
}

#[tokio::test]
async fn one_with_a_default_may_stand_before_one_without() {
    let outcome = run_message::<offer>(r#""args":[],"kwargs":{"cents":3},"options":{}"#, States::default()).await;
    assert_eq!(outcome, value("1 EUR 3"));
}
