//! A user that may not do something any more.

use std::collections::BTreeSet;
use std::fs;

use common::error::{EnqueueError, StoreError};
use tests::process::{PATIENCE, eventually_async};
use tests::workspace;

use crate::listener::lines;
use crate::rig::*;
use crate::work::{die, flaky, gate, say};

/// Where the scripts are that are sent.
const SCRIPTS: &str = "common/src/stores/redis/lua";

/// What the store calls without a script, as a rule of access names it.
const OUTSIDE: [&str; 7] = ["EVALSHA", "EVAL", "SCAN", "SET", "LLEN", "ZRANGE", "CLIENT|TRACKING"];

/// What the work below cannot do without.
const NEEDED: [&str; 11] =
    ["EVALSHA", "HDEL", "HMGET", "HSET", "LPOP", "LRANGE", "SADD", "SMISMEMBER", "SREM", "ZADD", "ZSCORE"];

/// Words in quotes that the server knows as commands.
fn commands(rig: &Rig) -> BTreeSet<String> {
    let files = fs::read_dir(workspace::root().join(SCRIPTS)).unwrap();
    let scripts: Vec<_> = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let words = scripts.iter().flat_map(|script| script.split('\''));
    let words = words.filter(|word| word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase()));
    let known = |word: &&str| {
        let names: Vec<String> = rig.redis(&["COMMAND", "LIST", "FILTERBY", "PATTERN", word]);
        !names.is_empty()
    };
    words.filter(known).chain(OUTSIDE).map(str::to_owned).collect()
}

#[test]
fn a_command_that_is_taken_away_is_named_with_its_key_and_nothing_is_lost() {
    let commands = each([()], async |()| commands(&Rig::new().await)).remove(0);
    assert!(commands.len() > 30, "{commands:?}");
    let named: BTreeSet<String> = each(commands, goes_without).into_iter().flatten().collect();
    for command in NEEDED {
        assert!(named.contains(command), "`{command}` was not missed; these were: {named:?}");
    }
}

#[test]
fn a_server_that_does_not_tell_of_messages_is_named_once_and_they_run() {
    each([()], async |()| {
        let rig = Rig::new().await;
        let user = ["ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all", "-client|tracking"];
        let _: () = rig.redis(&user);
        let url = rig.server.url().replace("redis://", "redis://worker:secret@");
        let broker = open(&url, &rig.namespace).await;
        let worker = rig.worker_on(&broker, 1).await;
        for what in ["first", "second", "third"] {
            rig.send(say::message(what)).await;
            rig.board.hear(what).await;
        }
        worker.stop().await;
        let said = lines(&[&rig.address(), "does not tell of new messages", "250 ms"]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with("INFO"), "{said:?}");
    });
}

/// Works while the command is forbidden, and then again; answers the command if anybody missed it.
async fn goes_without(command: String) -> Option<String> {
    let rig = Rig::new().await;
    let _: () = rig.redis(&["ACL", "SETUSER", "worker", "on", ">secret", "~*", "&*", "+@all"]);
    let url = rig.server.url().replace("redis://", "redis://worker:secret@");
    let broker = open(&url, &rig.namespace).await;
    // Somebody died with one message, so there is something to recover.
    rig.put_body("left", &body("left", "say", r#"["left"]"#));
    let _: i64 = rig.redis(&["SADD", ":__acks__.dead-one.default", "left"]);
    for key in [":__heartbeats__", ":@beats"] {
        let _: i64 = rig.redis(&["ZADD", key, "1", "dead-one"]);
    }
    let _: i64 = rig.redis(&["HSET", ":@rust", "dead-one", "default"]);

    let worker = rig.worker_on(&broker, 1).await;
    rig.send(gate::message("gate")).await;
    rig.board.hear("gate").await;
    let _: () = rig.redis(&["ACL", "SETUSER", "worker", &format!("-{}", command.to_lowercase())]);
    for number in 0..4 {
        rig.send(say::message(format!("plain {number}"))).await;
    }
    rig.send(flaky::message("flaky")).await;
    rig.send(die::message("dead")).await;
    rig.send(say::message("prioritised").priority(-1)).await;
    rig.send(say::message("delayed").delay(std::time::Duration::from_millis(200))).await;
    // One who sends with the same rights hears of it at once, or it is stored.
    let refused = match say::message("same rights").send(&broker).await {
        Ok(_) => false,
        Err(EnqueueError::NotStored { stored: 0, cause: StoreError::Denied { command: named, .. } }) => {
            assert_eq!(named, command);
            true
        }
        Err(error) => panic!("{command}: {error}"),
    };
    rig.board.open_gate();

    let all = ["plain 0", "plain 1", "plain 2", "plain 3", "flaky", "dead", "prioritised", "delayed", "left"];
    let words = command.replace('|', " ");
    let ours = || [[rig.namespace.as_str(), &words], [&rig.address(), &words]].map(|parts| lines(&parts)).concat();
    // Until it was missed, or everything went well without it.
    let missed = eventually_async(PATIENCE, async || {
        let missed = ours().into_iter().find(|line| line.contains("the store forbids `"));
        let is_done = all.iter().all(|what| rig.board.times(what) > 0) && rig.board.times("left") > 0;
        let left = rig.counts().await;
        let is_settled = is_done && left.is_some_and(|left| left.ready + left.delayed + left.claimed == 0);
        (missed.is_some() || is_settled).then_some(missed)
    });
    let missed = missed.await.unwrap_or_else(|| panic!("{command}: silent, {:?}", rig.board.all()));
    if let Some(line) = &missed {
        assert!(line.contains(&format!("the store forbids `{words}`")), "{command}: {line}");
        let has_key = line.contains(&format!("` on `{}:", rig.namespace));
        assert!(has_key || ["TIME", "EVALSHA", "EVAL", "SCAN"].contains(&command.as_str()), "{command}: {line}");
    }

    let _: () = rig.redis(&["ACL", "SETUSER", "worker", &format!("+{}", command.to_lowercase())]);
    let heard =
        eventually_async(PATIENCE, async || all.iter().all(|what| rig.board.times(what) > 0).then_some(())).await;
    assert!(heard.is_some(), "{command}: {:?}\n{}", rig.board.all(), ours().join("\n"));
    rig.settle(1).await;
    for (what, times) in rig.board.all() {
        assert!(times == 1 || what == "flaky, at first", "{command}: {what} {times} times");
    }
    let said = ours().len();
    assert!(said <= 25, "{command}: said {said} times");
    worker.stop().await;
    (missed.is_some() || refused).then_some(command)
}
