//! The kit keeps what it promises.

use std::{env, fs, os::unix::process::ExitStatusExt as _, path::Path, process::Command, time::Duration};
use tests::{
    log, notes,
    process::{self, Process, eventually},
    proxy::Proxy,
    python,
    redis::{self, How, Server},
};

/// Set for a copy of this test program, whose one test is then killed.
const VICTIM: &str = "KIT_VICTIM";

/// Set for a copy of this test program, whose one test then starts a child and interrupts it.
const DEAF: &str = "KIT_DEAF";

/// Set, to an experiment's folder, for a copy of this test program, whose one test then pins a log there.
const PINS: &str = "KIT_PINS";

/// What the log says that it pins.
const SAYS: &str = "KIT_SAYS";

/// How long a container may outlive its test process: one that was not seen at all yet is waited for for 12 seconds.
const CONTAINER_GONE: Duration = Duration::from_secs(60);

#[test]
fn the_redis_spoken_to_is_the_one_in_the_container() {
    let How::Container { id, .. } = redis::how() else {
        // On a machine with an engine a container is the only right answer, unless somebody gave a URL.
        let engine = Command::new("docker").arg("info").output();
        let engine = engine.is_ok_and(|output| output.status.success());
        assert!(!engine || *redis::how() == How::Given, "a Docker engine answers, but: {}", redis::how());
        return;
    };
    // The image may have no redis-cli; then its shell speaks TCP.
    let ask = r"if command -v redis-cli >/dev/null; then redis-cli info server
        else exec 3<>/dev/tcp/127.0.0.1/6379; printf 'INFO server\r\nQUIT\r\n' >&3; cat <&3; fi";
    let inside = Command::new("docker").args(["exec", id, "sh", "-c", ask]).output().unwrap();
    let inside = String::from_utf8(inside.stdout).unwrap();
    let outside: String = ::redis::cmd("INFO").arg("server").query(&mut redis::connection()).unwrap();
    assert_eq!(run_id(&outside), run_id(&inside));
}

fn run_id(info: &str) -> &str {
    info.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_else(|| panic!("no run_id in:\n{info}"))
}

#[test]
fn namespaces_are_never_the_same() {
    assert_ne!(redis::namespace(), redis::namespace());
}

#[test]
fn a_server_keeps_its_data_through_kill_and_start() {
    let mut server = Server::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let port = server.port();
    ::redis::cmd("SET").arg("key").arg("value").exec(&mut server.connection()).unwrap();
    server.kill();
    assert!(::redis::Client::open(server.url()).unwrap().get_connection().is_err());
    server.start_again();
    assert_eq!(server.port(), port);
    let value: String = ::redis::cmd("GET").arg("key").query(&mut server.connection()).unwrap();
    assert_eq!(value, "value");
    server.stop();
    server.start_again();
}

#[test]
fn a_paused_server_answers_when_it_goes_on() {
    let server = Server::start();
    let mut connection = server.connection();
    connection.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    server.pause();
    let late: Result<String, _> = ::redis::cmd("PING").query(&mut connection);
    assert!(late.unwrap_err().is_timeout());
    server.resume();
    let pong: String = ::redis::cmd("PING").query(&mut server.connection()).unwrap();
    assert_eq!(pong, "PONG");
}

#[test]
fn a_proxy_stalls_swallows_and_cuts() {
    let server = Server::start();
    let proxy = Proxy::to(&format!("127.0.0.1:{}", server.port()));
    let connect = || ::redis::Client::open(proxy.url()).unwrap().get_connection().unwrap();
    // Short only where no answer is expected: the machine may be busy.
    let hurry = |client: &::redis::Connection| client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let count = |connection: &mut ::redis::Connection| ::redis::cmd("INCR").arg("key").query::<u32>(connection);

    let mut client = connect();
    assert_eq!(count(&mut client).unwrap(), 1);
    proxy.drop_replies();
    hurry(&client);
    assert!(count(&mut client).unwrap_err().is_timeout());
    proxy.resume();
    assert_eq!(count(&mut connect()).unwrap(), 3, "the request went through, its reply did not");

    let mut client = connect();
    proxy.stall();
    hurry(&client);
    assert!(count(&mut client).unwrap_err().is_timeout());
    proxy.resume();
    let mut client = connect();
    assert!(count(&mut client).is_ok());
    proxy.cut();
    let cut = count(&mut client).unwrap_err();
    assert!(!cut.is_timeout(), "{cut}");
    assert!(count(&mut connect()).is_ok());
}

#[test]
fn a_process_is_read_signalled_and_waited_for() {
    let script = "trap 'echo stopping; exit 3' INT; echo ready >&2; while :; do sleep 0.01; done";
    let process = Process::start(Path::new("sh"), &["-c", script], &[]);
    assert_eq!(process.wait_for_line("read"), "ready");
    assert_eq!(process.ended(), None);
    process.interrupt();
    assert_eq!(process.wait().code(), Some(3));
    assert_eq!(process.stderr(), ["ready"]);
    assert_eq!(process.stdout(), ["stopping"]);

    let process = Process::start(Path::new("sleep"), &["1000"], &[]);
    process.kill();
    assert_eq!(process.wait().code(), None);
}

/// Not a test of its own: what the next one runs in a process that was started with Ctrl-C ignored.
#[test]
fn a_deaf_one() {
    if env::var_os(DEAF).is_none() {
        return;
    }
    let process = Process::start(Path::new("sleep"), &["1000"], &[]);
    process.interrupt();
    assert_eq!(process.wait().signal(), Some(2), "{process}");
    println!("it ended");
}

#[test]
fn ctrl_c_ends_a_child_even_where_the_tests_were_started_to_ignore_it() {
    let test = format!("trap '' INT HUP; '{}' --exact a_deaf_one --nocapture", env::current_exe().unwrap().display());
    let tests = Process::start(Path::new("sh"), &["-c", &test], &[(DEAF, "1")]);
    tests.wait_for_line("it ended");
    assert!(tests.wait().success(), "{tests}");
}

#[test]
#[should_panic(expected = "the last words")]
fn a_line_that_never_comes_fails_with_what_was_printed() {
    let process = Process::start(Path::new("echo"), &["the last words"], &[]);
    process.wait_for_line("something else");
}

#[test]
fn a_binary_of_another_package_is_built_and_runs() {
    let experiment = Process::start(&process::binary("e01_hello_world"), &["--help"], &[]);
    assert!(experiment.wait().success(), "{experiment}");
}

#[test]
fn a_real_dramatiq_runs_what_a_real_dramatiq_sends() {
    let actors = "import dramatiq\n@dramatiq.actor\ndef hello(name): print('hello', name)\n";
    let namespace = redis::namespace();
    let worker = python::dramatiq(actors, &redis::url(), &namespace);
    let _ = python::with_broker(&format!("{actors}hello.send('you')"), &redis::url(), &namespace);
    worker.wait_for_line("hello you");
    worker.terminate();
    assert!(worker.wait().success(), "{worker}");
}

/// Not a test of its own: what the next one runs in a process that it can kill.
#[test]
fn a_victim() {
    if env::var_os(VICTIM).is_none() {
        return;
    }
    let server = Server::start();
    println!("server {}", server.port());
    if let How::Container { id, .. } = redis::how() {
        println!("container {id}");
    }
    println!("ready");
    std::thread::park();
}

#[test]
fn nothing_outlives_a_test_process_that_is_killed() {
    let this = env::current_exe().unwrap();
    let args = ["--exact", "a_victim", "--nocapture"];
    for end in [Process::kill, Process::interrupt] {
        let victim = Process::start(&this, &args, &[(VICTIM, "1")]);
        victim.wait_for_line("ready");
        let lines = victim.stdout();
        let said = |what: &str| lines.iter().find_map(|line| line.split_once(what).map(|(_, rest)| rest.to_owned()));
        end(&victim);
        victim.wait();

        let server = format!("127.0.0.1:{}", said("server ").unwrap());
        let gone = eventually(CONTAINER_GONE, || std::net::TcpStream::connect(&server).err());
        assert!(gone.is_some(), "the server process outlived its test process");
        if let Some(id) = said("container ") {
            let look = || Command::new("docker").args(["inspect", &id]).output().unwrap().status;
            let gone = eventually(CONTAINER_GONE, || (!look().success()).then_some(()));
            assert!(gone.is_some(), "container {id} outlived its test process");
        }
    }
}

/// Not a test of its own: what the next one runs with variables set.
#[test]
fn a_pin() {
    let (Some(folder), Some(says)) = (env::var_os(PINS), env::var_os(SAYS)) else {
        return;
    };
    log::pin(folder.to_str().unwrap(), "worker", says.to_str().unwrap());
}

#[test]
fn one_variable_writes_snapshot_and_notes() {
    let folder = tempfile::tempdir().unwrap();
    let experiment = folder.path().to_str().unwrap();
    let readme = folder.path().join("README.rst");
    let block = |text: &str| format!(".. log: worker\n\n::\n\n    {text}\n");
    fs::write(&readme, block("old")).unwrap();
    let pin = |says: &str, update: &str| {
        let envs = [(PINS, experiment), (SAYS, says), ("UPDATE_NOTES", update), ("INSTA_UPDATE", "no")];
        Process::start(&env::current_exe().unwrap(), &["--exact", "a_pin"], &envs).wait().success()
    };

    assert!(!pin(" new", ""), "there is no snapshot yet");
    assert!(pin(" new", "1"));
    assert_eq!(fs::read_to_string(&readme).unwrap(), block(" new"));
    assert!(pin(" new", ""));
    assert!(!pin(" newer", ""), "the snapshot says something else");
    assert!(pin(" newer", "1"));
    assert_eq!(fs::read_to_string(&readme).unwrap(), block(" newer"));

    fs::write(&readme, block("by hand")).unwrap();
    assert!(!pin(" newer", ""), "the notes say something else");
    assert_eq!(notes::quoted(folder.path()), ["worker"]);
}
