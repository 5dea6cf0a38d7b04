//! A Redis at a Unix socket.

#[path = "support/way.rs"]
mod way;

use std::fs;
use std::os::unix::net::UnixListener;

use tests::redis::Server;
use way::{refused, works};

/// The password of the server's user `me`, and how it stands in a URL.
const PASSWORD: (&str, &str) = ("s/e@cret", "s%2Fe%40cret");

fn server() -> Server {
    let password = format!(">{}", PASSWORD.0);
    Server::start_with(&["--unixsocket", "redis.sock", "--user", "me", "on", &password, "~*", "&*", "+@all"])
}

#[test]
fn everything_goes_over_the_socket() {
    let server = server();
    let path = server.folder().join("redis.sock").display().to_string();
    let url = format!("redis+unix://me:{}@{path}?db=3&namespace=mine", PASSWORD.1);
    let address = format!("redis+unix://{path}?db=3");
    let is_by = |client: &str| client.contains(" addr=redis.sock:") && client.contains(" db=3 ");
    works(&url, "cret", &address, &server.url(), is_by);
}

#[test]
fn who_is_wrong_is_told_how_to_say_who_they_are() {
    let server = server();
    let path = server.folder().join("redis.sock").display().to_string();
    let (code, said) = refused(&format!("unix://me:secret@{path}"));
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("WRONGPASS") && said.contains("redis+unix://USER:PASSWORD@/PATH"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_socket_that_leads_nowhere_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let url = format!("redis+unix://:secret@{}", path.display());
    let (code, said) = refused(&url);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("no broker answers at redis+unix://{}: ", path.display())), "{said}");
    assert!(said.contains("there is no such socket: is the server's `unixsocket` this path"), "{said}");
    assert!(!said.contains("secret") && !said.contains("docker run"), "{said}");

    drop(UnixListener::bind(&path).unwrap());
    assert!(fs::exists(&path).unwrap());
    let (_, said) = refused(&url);
    assert!(said.contains("nobody listens at this socket: its server has ended"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_finds_the_socket_again_when_its_server_was_gone() {
    let mut server = server();
    let path = server.folder().join("redis.sock").display().to_string();
    let broker = common::Broker::connect(&format!("redis+unix://{path}")).await.unwrap();
    server.stop();
    let lost = broker.queues(None, 1).await.unwrap_err();
    assert!(lost.to_string().contains("cannot be reached"), "{lost}");
    server.start_again();
    tests::process::eventually_async(tests::process::PATIENCE, async || broker.queues(None, 1).await.ok())
        .await
        .unwrap();
}
