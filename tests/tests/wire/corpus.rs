//! Bytes that dramatiq 2.2.1 wrote, and bytes that it reads though nobody writes them.
//!
//! `tests/corpus/written.msgs` is written by `capture.py` beside it.

use common::clock::Timestamp;
use common::message::Message;

use crate::python::Python;
use crate::world::World;

const WRITTEN: &str = include_str!("../../corpus/written.msgs");
const CAPTURE: &str = include_str!("../../corpus/capture.py");

const NOW: Timestamp = Timestamp::from_millis(1_795_485_700_326);

/// Name and bytes of each message.
fn written() -> Vec<(&'static str, &'static str)> {
    WRITTEN.lines().map(|line| line.split_once('\t').unwrap_or_else(|| panic!("no name: {line}"))).collect()
}

#[test]
fn what_python_wrote_is_written_byte_for_byte() {
    let messages = written();
    assert!(messages.len() > 50, "{}", messages.len());
    for (name, bytes) in messages {
        let message = Message::decode(bytes.as_bytes(), NOW).unwrap_or_else(|error| panic!("{name}: {error}"));
        // A queue's delay queue is a place and no name.
        let plain = bytes.replacen(r#"{"queue_name":"default.DQ""#, r#"{"queue_name":"default""#, 1);
        assert_eq!(String::from_utf8(message.encode()).unwrap(), plain, "{name}");
    }
}

#[tokio::test]
async fn dramatiq_still_writes_what_the_corpus_holds() {
    let world = World::new().await;
    let today = world.python(CAPTURE);
    let (today, then): (Vec<_>, Vec<_>) = (today.lines().map(tidy).collect(), WRITTEN.lines().map(tidy).collect());
    for (today, then) in today.iter().zip(&then) {
        assert_eq!(today, then);
    }
    assert_eq!(today.len(), then.len());
}

/// A line without what differs from run to run: ids, times, and the text of tracebacks.
fn tidy(line: &str) -> String {
    let line = match (line.find(r#""traceback":"Trace"#), line.find(r#"","requeue_timestamp""#)) {
        (Some(start), Some(end)) if start < end => format!("{}{}", &line[..start], &line[end..]),
        _ => match (line.find(r#""traceback":"Trace"#), line.find(r#"","redis_message_id""#)) {
            (Some(start), Some(end)) if start < end => format!("{}{}", &line[..start], &line[end..]),
            _ => line.to_owned(),
        },
    };
    let mut tidied = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(char) = rest.chars().next() {
        let word = rest.find(|char: char| !char.is_ascii_hexdigit() && char != '-').unwrap_or(rest.len());
        if word == 36 && rest.as_bytes()[8] == b'-' {
            tidied.push_str("<id>");
            rest = &rest[word..];
        } else if word == 13 && rest[..word].bytes().all(|byte| byte.is_ascii_digit()) {
            tidied.push_str("<time>");
            rest = &rest[word..];
        } else if word > 0 {
            tidied.push_str(&rest[..word]);
            rest = &rest[word..];
        } else {
            tidied.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    tidied
}

/// What becomes of bytes that nobody would call usual.
enum Verdict {
    /// Both read them, and mean the same.
    Read,
    /// Both refuse them.
    Refused,
    /// Python reads them; here they are a dead letter with this reason.
    OnlyPython(&'static str),
    /// They are read here, and not by Python.
    OnlyHere,
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn what_python_reads_is_read_or_refused_with_a_reason() {
    use Verdict::{OnlyHere, OnlyPython, Read, Refused};
    const TAIL: &str = r#""kwargs":{},"options":{},"message_id":"m","message_timestamp":1}"#;
    let whole = |args: &str| format!(r#"{{"queue_name":"q","actor_name":"a","args":{args},{TAIL}"#);
    let with = |old: &str, new: &str| {
        let plain = whole("[1]");
        assert!(plain.contains(old), "{old}");
        plain.replacen(old, new, 1)
    };
    let cases: Vec<(String, Verdict)> = vec![
        (whole("[1]"), Read),
        // Form.
        (
            r#"{ "options" : { } , "message_timestamp" : 1 , "args" : [ 1 ] , "message_id" : "m" , "kwargs" : { } , "actor_name" : "a" , "queue_name" : "q" }"#
                .to_owned(),
            Read,
        ),
        (format!("\n\t\r {} \n", whole("[1]")), Read),
        (whole("[\"é☃😀\u{7f}\"]"), Read),
        (whole(r#"["\u00E9\uD83D\uDE00\/"]"#), Read),
        (whole(r#"["\ud800"]"#), Read),
        (whole(r"[1e400,-1e400,1E5,0.10,-0,1.0e-0]"), Read),
        (whole(r"[NaN,Infinity,-Infinity]"), Read),
        (whole(r#"[[NaN],{"a":[-Infinity,"NaN"]}]"#), Read),
        (whole(r#"[{"a":1,"a":2}]"#), Read),
        (with(r#""kwargs":{}"#, r#""kwargs":{"a":1,"b":2,"a":3}"#), Read),
        (with(r#""m""#, r#""""#), Read),
        (with(r#""m""#, "\"no uuid, é\""), Read),
        (with(r#""message_timestamp":1"#, r#""message_timestamp":1795485700326.75"#), Read),
        (with(r#""message_timestamp":1"#, r#""message_timestamp":1.7e12"#), Read),
        (with(r#""message_id":"m","#, ""), Read),
        (with(r#","message_timestamp":1"#, ""), Read),
        (with(r#""options":{}"#, r#""options":{"eta":1795485700326.5,"redis_message_id":7}"#), Read),
        (with(r#""options":{}"#, r#""options":{"mine":{"x":[-Infinity,"Infinity"]}}"#), Read),
        // No messages for either.
        (String::new(), Refused),
        ("null".to_owned(), Refused),
        ("[]".to_owned(), Refused),
        (whole("[1]").trim_end_matches('}').to_owned(), Refused),
        (whole("[1"), Refused),
        (format!("{}x", whole("[1]")), Refused),
        (format!("\u{feff}{}", whole("[1]")), Refused),
        (whole("[1,]"), Refused),
        (whole("[01]"), Refused),
        (whole("[-NaN]"), Refused),
        (whole("[+1]"), Refused),
        (whole("[nan]"), Refused),
        (whole("[.5]"), Refused),
        (whole("['a']"), Refused),
        (whole("[\"\n\"]"), Refused),
        (whole(r#"["\x41"]"#), Refused),
        (whole(r#"["\u12"]"#), Refused),
        (whole("[{NaN:1}]"), Refused),
        (with(r#""kwargs":{}"#, r#""kwargs":{NaN:1}"#), Refused),
        (whole("5"), Refused),
        (whole("null"), Refused),
        (with(r#""kwargs":{},"#, ""), Refused),
        (with(r#""actor_name":"a","#, ""), Refused),
        (with(r#""message_id":"m""#, r#""message_id":"m","more":1"#), Refused),
        // Where a type is looked at here, and not there.
        (whole(r#""abc""#), OnlyPython("expected a sequence")),
        (whole(r#"{"a":1}"#), OnlyPython("expected a sequence")),
        (with(r#""kwargs":{}"#, r#""kwargs":[]"#), OnlyPython("expected an object")),
        (with(r#""options":{}"#, r#""options":null"#), OnlyPython("expected an object")),
        (with(r#""q""#, "5"), OnlyPython("expected a string")),
        (with(r#""a""#, "null"), OnlyPython("expected a string")),
        (with(r#""m""#, "5"), OnlyPython("expected a string")),
        (with(r#""message_timestamp":1"#, r#""message_timestamp":"soon""#), OnlyPython("message_timestamp is no number")),
        (with(r#""message_timestamp":1"#, r#""message_timestamp":NaN"#), OnlyPython("message_timestamp is no number")),
        (with(r#""a""#, r#""\ud800""#), OnlyPython("hex escape")),
        (with(r#""kwargs":{}"#, r#""kwargs":{"\ud800":1}"#), OnlyPython("hex escape")),
        (with(r#""options":{}"#, r#""options":{"mine":{NaN:1}}"#), Refused),
        (with(r#""a""#, r#""b","actor_name":"a""#), OnlyPython("duplicate field")),
        // Where more is read here.
        (with(r#""options":{},"#, ""), OnlyHere),
    ];
    let mut python = Python::start();
    for (bytes, verdict) in cases {
        let theirs = python.read(bytes.as_bytes());
        let ours = Message::decode(bytes.as_bytes(), NOW);
        match verdict {
            Read => {
                let ours = ours.unwrap_or_else(|error| panic!("{bytes}: {error}"));
                let mut theirs =
                    Message::decode(&theirs.unwrap_or_else(|error| panic!("{bytes}: {error}")), NOW).unwrap();
                // Read by Python what we make of it: it has to mean the same there. What was missing was made up by each.
                let again = python.read(&ours.encode()).unwrap_or_else(|error| panic!("{bytes}: {error}"));
                let mut again = Message::decode(&again, NOW).unwrap();
                for message in [&mut theirs, &mut again] {
                    message.message_id = ours.message_id.clone();
                    message.message_timestamp = ours.message_timestamp;
                }
                assert_eq!(again, theirs, "{bytes}");
            }
            Refused => {
                assert!(theirs.is_err(), "{bytes}: python reads {theirs:?}");
                assert!(ours.is_err(), "{bytes}: {ours:?}");
            }
            OnlyPython(reason) => {
                assert!(theirs.is_ok(), "{bytes}: {theirs:?}");
                let error = ours.expect_err(&bytes).to_string();
                assert!(error.contains(reason), "{bytes}: {error}");
            }
            OnlyHere => {
                assert!(theirs.is_err(), "{bytes}: {theirs:?}");
                assert!(ours.is_ok(), "{bytes}: {ours:?}");
            }
        }
    }
}
