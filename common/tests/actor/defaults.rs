//! What stands for the arguments that a message lacks.

use common::actor;
use common::actor::{Actor, Parameter, States};
use common::outcome::Outcome;
use common::testing::TestBroker;
use serde::{Deserialize, Serialize};

use super::{run, run_message, value};

const DAYS: u32 = 7;

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum Tone {
    #[default]
    Polite,
    Firm,
}

/// A type of its own that a text becomes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Currency(String);

impl From<&str> for Currency {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The actor as it was at first, and as Python calls it.
mod before {
    use super::actor;

    #[actor]
    pub(super) fn remind(customer: u64) {
        _ = customer;
    }
}

#[actor]
fn remind(
    prefix: &String,
    customer: u64,
    #[default = "EUR"] currency: Currency,
    #[default = "de"] language: String,
    #[default = 2 * DAYS] days: u32,
    #[default = Some(-1)] discount: Option<i8>,
    #[default] tone: Tone,
) -> String {
    format!("{prefix}{customer} {} {language} {days} {discount:?} {tone:?}", currency.0)
}

#[actor]
async fn wait_for(#[default = String::from("nothing")] what: String, #[default] times: u32) -> String {
    format!("{what} {times}")
}

async fn run_reminder(entries: &str) -> Outcome {
    let mut states = States::default();
    states.add("> ".to_owned()).unwrap();
    run_message::<remind>(&format!(r#"{entries},"options":{{}}"#), states).await
}

#[tokio::test]
async fn messages_of_before_a_parameter_are_run_with_its_default() {
    let usual = value("> 7 EUR de 14 Some(-1) Polite");
    assert_eq!(run_reminder(r#""args":[7],"kwargs":{}"#).await, usual);
    assert_eq!(run_reminder(r#""args":[],"kwargs":{"customer":7}"#).await, usual);
    assert_eq!(run::<wait_for>("[]").await, value("nothing 0"));
    assert_eq!(run::<wait_for>(r#"["rain"]"#).await, value("rain 0"));
}

#[tokio::test]
async fn what_a_message_has_counts_by_position_and_by_name() {
    let given = run_reminder(r#""args":[7,"CHF"],"kwargs":{"days":1,"discount":null,"tone":"Firm"}"#).await;
    assert_eq!(given, value("> 7 CHF de 1 None Firm"));
}

#[tokio::test]
async fn an_argument_of_another_type_is_refused_as_ever() {
    let rejected = |text: &str| Outcome::Rejected(text.to_owned());
    assert_eq!(
        run_reminder(r#""args":[7,3],"kwargs":{}"#).await,
        rejected("args[1] (`currency`): invalid type: integer `3`, expected a string")
    );
    assert_eq!(
        run_reminder(r#""args":[7],"kwargs":{"days":-1}"#).await,
        rejected("kwargs[`days`]: invalid value: integer `-1`, expected u32")
    );
    assert_eq!(run::<wait_for>("[null]").await, rejected("args[0] (`what`): invalid type: null, expected a string"));
}

#[tokio::test]
async fn what_an_actor_can_do_without_is_told_with_its_signature() {
    assert_eq!(
        run_reminder(r#""args":[],"kwargs":{}"#).await,
        Outcome::Rejected(
            "argument `customer` is missing; it takes (customer: u64, currency: Currency = \"EUR\", language: String = \"de\", \
             days: u32 = 2*DAYS, discount: Option<i8> = Some(-1), tone: Tone = Default::default())"
                .to_owned()
        )
    );
    let may_be_absent: Vec<_> = remind::DECLARATION.parameters.iter().map(Parameter::may_be_absent).collect();
    assert_eq!(may_be_absent, [false, true, true, true, true, true]);
}

#[tokio::test]
async fn a_sender_gives_all_and_a_test_sees_the_defaults_of_what_was_sent_before() {
    let broker = TestBroker::new();
    before::remind::send(&broker, 7).await.unwrap();
    let sent = remind::send(&broker, 8, "CHF".into(), "fr", 1, None, Tone::Firm).await.unwrap();
    assert_eq!(sent.to_string(), r#"remind(8, "CHF", "fr", 1, null, "Firm")"#);
    assert_eq!(
        remind::sent(&broker),
        [
            (7, "EUR".into(), "de".to_owned(), 14, Some(-1), Tone::Polite),
            (8, "CHF".into(), "fr".to_owned(), 1, None, Tone::Firm)
        ]
    );
}

#[test]
fn the_function_takes_all_of_them() {
    assert_eq!(remind(&String::new(), 1, "EUR".into(), "de".into(), 2, None, Tone::Firm), "1 EUR de 2 None Firm");
}
