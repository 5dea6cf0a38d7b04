//! A Redis with TLS: what works, and what is said where somebody is not trusted.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod certificates;
#[path = "../support/way.rs"]
mod way;

use std::fs;
use std::path::Path;

use certificates::{Authority, Files};
use common::Broker;
use common::actor;
use common::error::{ConnectError, StoreError};
use tempfile::TempDir;
use tests::process::{PATIENCE, eventually_async};
use tests::redis::{Server, free_port};
use way::{refused, works};

/// A year in which certificates are still valid.
const LATER: i32 = 4_000;

#[actor]
fn carry(text: String) {
    drop(text);
}

/// A server, and what it is known by.
struct Secured {
    server: Server,
    port: u16,
    authority: Authority,
    /// Holds `ca.pem` and the server's files.
    folder: TempDir,
}

impl Secured {
    fn start(names: &[&str], until: i32, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new("an authority");
        authority.write(&folder.path().join("ca.pem"));
        let Files { cert, key } = authority.sign(names, until, folder.path(), "server");
        let port = free_port();
        let ca = folder.path().join("ca.pem");
        let files = [("--tls-cert-file", &cert), ("--tls-key-file", &key), ("--tls-ca-cert-file", &ca)];
        let files: Vec<_> =
            files.iter().flat_map(|(option, path)| [(*option).to_owned(), path.display().to_string()]).collect();
        let all: Vec<_> = files.iter().map(String::as_str).chain(options.iter().copied()).collect();
        Self { server: Server::start_with_tls(port, &all), port, authority, folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Its URL by a host, with the right authority.
    fn url(&self, host: &str) -> String {
        format!("rediss://{host}:{}?ca={}", self.port, self.path("ca.pem"))
    }
}

/// Nobody has to show a certificate but the server.
const ANYBODY: [&str; 2] = ["--tls-auth-clients", "no"];

/// What a broker's maker is told.
async fn refusal(url: &str) -> (bool, String) {
    match Broker::connect(url).await.expect_err(url) {
        ConnectError::Unreachable { cause: StoreError::Refused(said), .. } => (true, said),
        ConnectError::Unreachable { cause, .. } => (false, cause.to_string()),
        error => panic!("{error}"),
    }
}

#[test]
fn everything_goes_over_tls() {
    let password = "s/e@cret";
    let user = ["--user", "me", "on", &format!(">{password}"), "~*", "&*", "+@all"];
    let secured = Secured::start(&["localhost", "127.0.0.1"], LATER, &[&ANYBODY[..], &user].concat());
    for host in ["localhost", "127.0.0.1"] {
        let url = format!(
            "rediss://me:s%2Fe%40cret@{host}:{}/2?namespace={host}&ca={}",
            secured.port,
            secured.path("ca.pem")
        );
        let address = format!("rediss://{host}:{}/2", secured.port);
        let port = format!(":{}", secured.port);
        let is_by = |client: &str| client.split(' ').any(|part| part.starts_with("laddr=") && part.ends_with(&port));
        works(&url, "cret", &address, &secured.server.url(), is_by);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_passes() {
    let secured = Secured::start(&["localhost"], LATER, &ANYBODY);
    let broker = Broker::connect(&secured.url("localhost")).await.unwrap();
    let sent = carry::send(&broker, "é".repeat(2 << 20)).await.unwrap();
    let found = broker.find(&sent.message_id.to_string(), 10).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let secured = Secured::start(&["localhost"], LATER, &ANYBODY);
    let (is_refused, said) = refusal(&format!("rediss://:secret@localhost:{}", secured.port)).await;
    assert!(is_refused && said.contains("signed by nobody whom this system trusts"), "{said}");
    assert!(said.contains("`?ca=FILE`") && !said.contains("secret"), "{said}");

    let other = secured.path("other.pem");
    for (name, why) in [("an authority", "in the name of somebody in"), ("another one", "by nobody in")] {
        Authority::new(name).write(Path::new(&other));
        let (is_refused, said) = refusal(&format!("rediss://localhost:{}?ca={other}", secured.port)).await;
        assert!(is_refused && said.contains(&format!("signed {why} `ca={other}`")), "{said}");
    }

    let (code, said) = tokio::task::spawn_blocking(move || {
        refused(&format!("rediss://:secret@localhost:{}?ca={other}", secured.port))
    })
    .await
    .unwrap();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot be used: the store refused: the server's certificate is signed by nobody"), "{said}");
    assert!(!said.contains("secret") && !said.contains("docker run"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_host_or_time_is_refused() {
    let secured = Secured::start(&["localhost", "redis.example"], LATER, &ANYBODY);
    let (is_refused, said) = refusal(&secured.url("127.0.0.1")).await;
    assert!(is_refused && said.contains("not for `127.0.0.1`, but for `localhost`, `redis.example`"), "{said}");

    let expired = Secured::start(&["localhost"], 2_001, &ANYBODY);
    let (is_refused, said) = refusal(&expired.url("localhost")).await;
    assert!(is_refused && said.contains("has expired, or this machine's clock is wrong"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_speaks_tls_with_a_server_that_does_not_is_told_the_other_url_and_the_other_way_round() {
    let secured = Secured::start(&["localhost"], LATER, &ANYBODY);
    let plain = secured.server.port();
    let url = format!("rediss://:secret@localhost:{plain}?ca={}", secured.path("ca.pem"));
    let (_, said) = refusal(&url).await;
    assert!(said.contains(&format!("a server without TLS would be at redis://localhost:{plain}")), "{said}");
    assert!(!said.contains("secret"), "{said}");

    let (_, said) = refusal(&format!("redis://:secret@localhost:{}", secured.port)).await;
    assert!(said.contains(&format!("a server with TLS would be at rediss://localhost:{}", secured.port)), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_may_want_a_certificate_of_its_clients() {
    let secured = Secured::start(&["localhost"], LATER, &["--tls-auth-clients", "yes"]);
    let url = secured.url("localhost");
    let (is_refused, said) = refusal(&url).await;
    assert!(is_refused && said.contains("name the files, `?cert=FILE&key=FILE`"), "{said}");

    let Files { cert, key } = secured.authority.sign(&["me"], LATER, secured.folder.path(), "me");
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let broker = Broker::connect(&format!("{url}&cert={cert}&key={key}")).await.unwrap();
    assert!(broker.queues(None, 1).await.is_ok());

    let stranger = Authority::new("a stranger").sign(&["me"], LATER, secured.folder.path(), "stranger");
    let (theirs, their_key) = (stranger.cert.display().to_string(), stranger.key.display().to_string());
    let (is_refused, said) = refusal(&format!("{url}&cert={theirs}&key={their_key}")).await;
    assert!(is_refused && said.contains(&format!("`cert={theirs}`")), "{said}");

    let error = Broker::connect(&format!("{url}&cert={cert}&key={their_key}")).await.unwrap_err();
    assert!(error.to_string().contains("do not go together"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_nothing_of_use_is_named_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let empty = path("empty.pem", "no certificate\n");
    let authority = Authority::new("an authority");
    let ca = folder.path().join("ca.pem");
    authority.write(&ca);
    let ca = ca.display();
    for (options, part) in [
        (format!("ca={}/none.pem", folder.path().display()), "none.pem` cannot be read"),
        (format!("ca={empty}"), "holds no certificate in PEM format"),
        (format!("ca={ca}&cert={empty}&key={empty}"), "holds no certificate in PEM format"),
        (format!("ca={ca}&cert={ca}&key={empty}"), "holds no private key in PEM format"),
    ] {
        let error = Broker::connect(&format!("rediss://localhost:1?{options}")).await.unwrap_err();
        assert!(matches!(&error, ConnectError::Url { .. }), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_authority_is_trusted_without_a_restart() {
    let mut secured = Secured::start(&["localhost"], LATER, &ANYBODY);
    let broker = Broker::connect(&secured.url("localhost")).await.unwrap();
    let next = Authority::new("the next authority");
    next.sign(&["localhost"], LATER, secured.folder.path(), "server");
    secured.server.stop();
    secured.server.start_again();
    let seen = eventually_async(PATIENCE, async || match broker.queues(None, 1).await {
        Err(StoreError::Refused(said)) => Some(said),
        _ => None,
    });
    let seen = seen.await.expect("the old one is no longer of use");
    assert!(seen.contains("signed by nobody in"), "{seen}");
    next.write(&secured.folder.path().join("ca.pem"));
    eventually_async(PATIENCE, async || broker.queues(None, 1).await.ok()).await.expect("the new one is");
}
