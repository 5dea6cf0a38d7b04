//! What is in a broker's URL, and must not be shown; and what came into it by accident.

use crate::{ERRORS, HELLO, experiment::Experiment, with_broker};
use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt,
    path::Path,
    process::{Command, Stdio},
};
use tests::{
    process::{self, Process},
    redis::Server,
};

/// Programs of one broker that is named by the environment.
fn by_environment(args: &[&str], url: &str) -> Process {
    Process::start(&process::binary(ERRORS), args, &[("BROKER_URL", url)])
}

/// Passwords with signs that have a meaning in a URL: each half of one is a secret.
const WRONG: [&str; 6] = [
    "redis://:sec?ret@localhost:1",
    "redis://me:sec#ret@localhost:1/2",
    "redis://:sec/ret@localhost:1",
    "redis://:sec@?ret@localhost:1",
    "redis://sec:ret?namespace=sec@localhost:1",
    "kafka://sec:ret@localhost:1",
];

#[test]
fn no_part_of_a_password_is_printed_whatever_the_url_looks_like() {
    let with_spaces = WRONG.map(|url| url.replace("sec", "s e c"));
    for url in WRONG.iter().copied().chain(with_spaces.iter().map(String::as_str)) {
        for args in
            [&["worker"][..], &["handled", "17"], &["queues"], &["worker", "--log-format", "json"], &["-v", "worker"]]
        {
            for process in [with_broker(args, url), by_environment(args, url)] {
                assert_eq!(process.wait().code(), Some(2), "{args:?}");
                let printed = process.lines().join("\n");
                assert!(
                    !printed.contains("sec") && !printed.contains("s e c") && !printed.contains("ret"),
                    "{printed}"
                );
                assert!(printed.contains("localhost:1"), "{printed}");
                assert!(url.starts_with("kafka") || printed.contains("`?` `%3F`"), "{printed}");
            }
        }
    }
}

#[test]
fn a_url_that_stands_in_the_wrong_place_is_printed_without_its_password() {
    let url = "redis://me:sec?ret@localhost:1";
    for args in [
        &[url][..],
        &["handled", url],
        &["worker", url],
        &["handled", "17", "--at", url],
        &["worker", "--threads", url],
    ] {
        let process = Process::start(&process::binary(ERRORS), args, &[]);
        assert_eq!(process.wait().code(), Some(2), "{args:?}");
        let printed = process.lines().join("\n");
        assert!(!printed.contains("sec") && !printed.contains("ret"), "{printed}");
        assert!(printed.contains("redis://localhost:1"), "{printed}");
    }
}

#[test]
fn help_does_not_print_the_environment() {
    for args in [&["--help"][..], &["worker", "--help"], &["handled", "--help"]] {
        let help = by_environment(args, "redis://:secret@localhost:1");
        assert_eq!(help.wait().code(), Some(0), "{help}");
        assert!(!help.lines().join("\n").contains("secret"));
    }
}

#[test]
fn a_password_with_any_sign_works_when_these_are_encoded() {
    let server = Server::start_with(&["--requirepass", "a/b?c#d@e%f"]);
    let right = server.url().replace("redis://", "redis://:a%2Fb%3Fc%23d%40e%25f@");
    let queues = with_broker(&["queues"], &right);
    assert_eq!(queues.wait().code(), Some(0), "{queues}");
    // One that is wrong is not printed either.
    let wrong = with_broker(&["queues"], &server.url().replace("redis://", "redis://:a%2Fb@"));
    assert_eq!(wrong.wait().code(), Some(3), "{wrong}");
    wrong.wait_for_line("cannot be used: the store refused: WRONGPASS");
    wrong.wait_for_line("To say who you are: redis://USER:PASSWORD@HOST:PORT");
    assert!(!wrong.lines().join("\n").contains("a%2Fb") && !wrong.lines().join("\n").contains("a/b"), "{wrong}");
}

#[test]
fn the_line_break_of_a_secret_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("sqlite:{}", folder.path().join("tasks.db").display());
    for url in [format!("{file}\n"), format!(" {file}\r\n"), format!("{file}?namespace=dramatiq\n"), file] {
        let sender = by_environment(&["handled", "3"], &url);
        assert_eq!(sender.wait().code(), Some(0), "{sender}");
    }
    let stored = Process::start(
        &process::binary(ERRORS),
        &["queues"],
        &[("BROKER_URL", &format!("sqlite:{}\n", folder.path().join("tasks.db").display()))],
    );
    assert_eq!(stored.wait().code(), Some(0), "{stored}");
    stored.wait_for("all four in one place", |line| line.starts_with("default") && line.contains(" 4 "));
    let databases = std::fs::read_dir(folder.path()).unwrap();
    let names: Vec<_> = databases.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| name.starts_with("tasks.db") && !name.contains(char::is_control)), "{names:?}");
}

#[test]
fn a_control_character_inside_of_a_url_is_refused_with_its_place() {
    for (url, said) in [
        ("redis://local\nhost", "after 13 characters comes `\\n`"),
        ("sqlite:a\u{1b}[31m.db", "after 8 characters comes `\\u{1b}`"),
    ] {
        let process = by_environment(&["queues"], url);
        assert_eq!(process.wait().code(), Some(2), "{process}");
        process.wait_for_line(said);
        assert!(!process.lines().join("").contains(char::is_control), "{process}");
    }
}

#[test]
fn a_variable_that_is_no_text_is_called_by_its_name() {
    let run = |args: &[&str], variable: &str| {
        let mut command = Command::new(process::binary(ERRORS));
        command
            .args(args)
            .env_remove("BROKER_URL")
            .env(variable, OsStr::from_bytes(b"redis://\xff"))
            .stdin(Stdio::null());
        let ended = command.output().unwrap();
        (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
    };
    for args in [&["queues"][..], &["worker"], &["handled", "17"]] {
        for variable in ["BROKER_URL", "RUST_LOG"] {
            let (code, said) = run(args, variable);
            assert_eq!(code, Some(2), "{said}");
            let expected = format!("the variable {variable} is no text: what comes after 8 bytes is no UTF-8");
            assert!(said.contains(&expected), "{said}");
        }
    }
    // What is typed counts more.
    let experiment = Experiment::of_the_lab(HELLO);
    let (code, said) = run(&["queues", "--broker", &experiment.broker()], "BROKER_URL");
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn an_ipv6_address_is_shown_in_brackets() {
    let process = with_broker(&["queues"], "redis://:secret@[::1]:1/2");
    assert_eq!(process.wait().code(), Some(3), "{process}");
    process.wait_for_line("no broker answers at redis://[::1]:1/2: ");
}

#[test]
fn text_from_a_message_commands_no_terminal() {
    let experiment = Experiment::of_the_lab(ERRORS);
    let broker = experiment.broker();
    // Sent by somebody who knows the format only.
    let message = r#"{"queue_name":"default","actor_name":"handled","args":["\u001b[31mred\u202e\u009b2J\r"],"kwargs":{},
        "options":{},"message_id":"\u001b]0;title\u0007","message_timestamp":1}"#;
    let mut redis = tests::redis::connection();
    let queue = format!("{}:default", experiment.namespace);
    let () = ::redis::cmd("HSET").arg(format!("{queue}.msgs")).arg("1").arg(message).query(&mut redis).unwrap();
    let () = ::redis::cmd("RPUSH").arg(&queue).arg("1").query(&mut redis).unwrap();
    for format in ["text", "json"] {
        let worker = experiment.worker(&["-v", "--log-format", format]);
        worker.wait_for_line("0;title");
        worker.interrupt();
        assert_eq!(worker.wait().code(), Some(0), "{worker}");
        let printed = worker.lines().concat();
        assert!(!printed.contains(|c: char| c.is_control() || c == '\u{202e}'), "{printed:?}");
        let requeue = Process::start(&experiment.program, &["dead", "requeue", "--all", "--broker", &broker], &[]);
        requeue.wait();
        assert!(!requeue.lines().concat().contains(char::is_control), "{requeue}");
    }
}

#[test]
fn a_file_whose_name_has_an_at_sign_is_shown_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("me@work.db");
    let process = with_broker(&["queues"], &format!("sqlite:{}", path.display()));
    assert_eq!(process.wait().code(), Some(0), "{process}");
    process.wait_for_line(&format!(
        "sqlite:{}",
        Path::new(folder.path().canonicalize().unwrap().as_path()).join("me@work.db").display()
    ));
}
