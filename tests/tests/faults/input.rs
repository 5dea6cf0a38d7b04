//! Messages that cannot be run: each is dead-lettered on its own, with its reason and its bytes, and the queue goes on.

use tests::process::{PATIENCE, eventually_async};
use tokio::sync::Mutex;

use crate::listener::lines;
use crate::rig::*;
use crate::work::{refuse, say};

/// Tests that move hundreds of megabytes take turns.
static HEAVY: Mutex<()> = Mutex::const_new(());

/// Deeper than any parser follows.
const DEPTH: usize = 100_000;

/// Runs one that is right, then the bad one, then one that is right again; answers the bad one's reason.
async fn dies_alone(bytes: &[u8]) -> String {
    let rig = Rig::new().await;
    let worker = rig.worker(1).await;
    rig.send(say::message("before")).await;
    rig.put("bad", bytes);
    rig.send(say::message("after")).await;
    rig.board.hear("before").await;
    rig.board.hear("after").await;
    rig.settle(1).await;
    let letter = rig.letters().await.remove("bad").expect("a dead letter under its id");
    worker.stop().await;
    let reason = letter.reason.expect("a reason");
    assert!(lines(&["WARN", &reason]).len() == 1, "an operator reads it: {reason}");
    reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_that_an_actor_expects_dies_without_a_warning() {
    let rig = Rig::new().await;
    let worker = rig.worker(1).await;
    rig.send(refuse::message()).await;
    rig.settle(1).await;
    worker.stop().await;
    assert_eq!(lines(&["INFO", "attempt 1 failed after", "no order 4711"]).len(), 1);
    assert_eq!(lines(&["WARN", "no order 4711"]), <[String; 0]>::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_for_an_unknown_actor_dies_alone() {
    let reason = dies_alone(&body("bad", "nobody", "[1]")).await;
    assert_eq!(reason, "no actor `nobody` in this worker, which consumes queue default");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_with_wrong_arguments_dies_alone() {
    for (args, part) in [("[1]", "what"), ("[]", "what"), (r#"["a","b"]"#, "2"), (r#"[{"what":"a"}]"#, "what")] {
        let rig = Rig::new().await;
        let worker = rig.worker(1).await;
        rig.put("bad", &body("bad", "say", args));
        rig.send(say::message("after")).await;
        rig.board.hear("after").await;
        rig.settle(1).await;
        let letters = rig.letters().await;
        let reason = letters["bad"].reason.clone().expect("a reason");
        assert!(reason.contains(part), "{args}: {reason}");
        assert!(String::from_utf8_lossy(&letters["bad"].bytes).contains(&format!(r#""args":{args}"#)));
        worker.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_message_die_one_by_one_with_their_reasons() {
    let nested = [vec![b'['; DEPTH], vec![b']'; DEPTH]].concat();
    let open = vec![b'{'; DEPTH];
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("pickled", b"\x80\x04\x95\x10\x00".to_vec()),
        ("cut", body("cut", "say", r#"["x"]"#)[..60].to_vec()),
        ("bom", [b"\xef\xbb\xbf".to_vec(), body("bom", "say", r#"["x"]"#)].concat()),
        ("zeros", vec![0; 1_000]),
        ("list", b"[1, 2]".to_vec()),
        ("number", b"7".to_vec()),
        ("no actor", br#"{"queue_name":"default","args":[],"kwargs":{},"options":{}}"#.to_vec()),
        ("kwargs", br#"{"queue_name":"default","actor_name":"say","args":[],"kwargs":[],"options":{}}"#.to_vec()),
        ("args", br#"{"queue_name":"default","actor_name":"say","args":"x","kwargs":{},"options":{}}"#.to_vec()),
        ("latin", b"{\"queue_name\":\"default\",\"actor_name\":\"s\xe4y\"}".to_vec()),
        ("nested", nested),
        ("open", open),
        ("eta without sense", br#"{"eta":1e400,"priority":}"#.to_vec()),
    ];
    let rig = Rig::new().await;
    let worker = rig.worker(2).await;
    for (number, (id, bytes)) in bad.iter().enumerate() {
        rig.put(id, bytes);
        rig.send(say::message(number.to_string())).await;
    }
    for number in 0..bad.len() {
        rig.board.hear(&number.to_string()).await;
    }
    rig.settle(bad.len()).await;
    let letters = rig.letters().await;
    for (id, bytes) in &bad {
        let letter = &letters[*id];
        assert_eq!(letter.bytes, *bytes, "{id}");
        let reason = letter.reason.as_deref().unwrap_or_default();
        assert!(reason.starts_with("not "), "{id}: {reason}");
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_argument_nested_beyond_reason_dies_alone() {
    let rig = Rig::new().await;
    let worker = rig.worker(1).await;
    let deep = format!("[{}{}]", "[".repeat(DEPTH), "]".repeat(DEPTH));
    rig.put("deep", &body("deep", "say", &deep));
    // The store looks at what is delayed by itself.
    let options = format!(r#""options":{{"eta":1,"priority":1,"deep":{deep},"#);
    let delayed = String::from_utf8(body("delayed", "nobody", "[]")).unwrap().replace(r#""options":{"#, &options);
    let hash = format!("{}:default.DQ.msgs", rig.namespace);
    let _: i64 = rig.redis(&["HSET", &hash, "delayed", &delayed]);
    let _: i64 = rig.redis(&["RPUSH", ":default.DQ", "delayed"]);
    rig.send(say::message("after")).await;
    rig.board.hear("after").await;
    rig.settle(2).await;
    let letters = rig.letters().await;
    let reason = letters["deep"].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("what"), "{reason}");
    let reason = letters["delayed"].reason.as_deref().unwrap_or_default();
    assert!(reason.contains("no actor `nobody`"), "{reason}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_100_megabytes_dies_unread_and_large_ones_run_without_holding_up_anything() {
    const LARGE: usize = 15_000_000;
    let _turn = HEAVY.lock().await;
    let rig = Rig::new().await;
    // All of it is there at once, and a worker of many slots wants it all.
    let huge = body("huge", "weigh", &format!("[\"{}\"]", "h".repeat(100_000_000)));
    rig.put("huge 1", &huge);
    for number in 0..6 {
        let id = format!("large {number}");
        rig.put(&id, &body(&id, "weigh", &format!("[\"{}\"]", "l".repeat(LARGE))));
        rig.send(say::message(number.to_string())).await;
    }
    rig.put("huge 2", &huge);
    rig.send(say::message("last")).await;
    let worker = rig.worker(32).await;
    rig.board.hear("last").await;
    rig.settle(2).await;
    assert_eq!(rig.board.times(&format!("{LARGE} of l")), 6);
    for id in ["huge 1", "huge 2"] {
        let (size, reason) = rig.letter(id);
        assert_eq!(size, huge.len());
        assert_eq!(reason, format!("it takes {} bytes; a worker takes 33554432 at most", huge.len()));
        // An answer that came too late has told nothing.
        assert!(lines(&["WARN", id, &reason]).len() <= 1);
    }
    // Nobody has run them, and yet the worker has made their end, with hooks and observers.
    let left = || rig.redis::<i64>(&["SCARD", ":default@unended"]);
    let ended = eventually_async(PATIENCE, async || (left() == 0).then_some(())).await;
    assert!(ended.is_some(), "{} are left", left());
    // A busy machine may take its time over some hundred megabytes; none of them is brought again and again.
    let lines = lines(&[&rig.address(), "cannot be reached"]);
    // On a busy machine each of them may take longer than a call waits, once.
    assert!(lines.len() <= 6, "{lines:?}");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_messages_that_come_due_together_are_moved_without_holding_up_anything() {
    const LARGE: usize = 15_000_000;
    let _turn = HEAVY.lock().await;
    let rig = Rig::new().await;
    let worker = rig.worker(8).await;
    let delay = |id: &str, size: usize| {
        let body = String::from_utf8(body(id, "weigh", &format!("[\"{}\"]", "d".repeat(size)))).unwrap();
        let body = body.replace(r#""options":{"#, r#""options":{"eta":1,"#);
        let _: i64 = rig.redis(&["HSET", ":default.DQ.msgs", id, &body]);
        let _: i64 = rig.redis(&["RPUSH", ":default.DQ", id]);
    };
    delay("huge", 100_000_000);
    for number in 0..6 {
        delay(&number.to_string(), LARGE);
    }
    // A busy machine may take longer over them than a call waits.
    rig.send_surely(say::message("meanwhile")).await;
    rig.board.hear("meanwhile").await;
    let large = format!("{LARGE} of d");
    let ran = eventually_async(PATIENCE, async || (rig.board.times(&large) == 6).then_some(())).await;
    ran.expect("all large ones run");
    rig.settle(1).await;
    let (_, reason) = rig.letter("huge");
    assert!(reason.contains("a worker takes"), "{reason}");
    let lines = lines(&[&rig.address(), "cannot be reached"]);
    // On a busy machine each of them may take longer than a call waits, once.
    assert!(lines.len() <= 6, "{lines:?}");
    worker.stop().await;
}
