//! A web server with a worker inside: a request enqueues a task and is answered at once, another one asks for its result.
//!
//! ```text
//! curl -d 'hello world' localhost:3000/shout            # 202, and the message's id
//! curl localhost:3000/shout/8f14e45f-…                  # 404 "no result yet"; then 200 "HELLO WORLD!"
//! ```
//!
//! Ctrl-C or SIGTERM stops both, one after the other: the server takes no new requests and answers those it has, then the worker
//! ends what it runs. What has not started by then waits in the broker for the next start. `BROKER_URL` says where that is, else it
//! is a file here, `tasks.db`; `ADDRESS` says where the server listens.

use std::env;
use std::error::Error;
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use common::results::Stored;
use common::{Broker, Worker, actor, actors};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

/// Takes its time, which no request should have to wait for.
#[actor(store_results = true, result_ttl = "1h")]
fn shout(text: String) -> String {
    thread::sleep(Duration::from_secs(1));
    text.to_uppercase() + "!"
}

/// An answer: its status, and a text for people.
type Answer = (StatusCode, String);

async fn enqueue(State(broker): State<Broker>, text: String) -> Result<Answer, Answer> {
    let message = shout::send(&broker, text).await.map_err(unavailable)?;
    Ok((StatusCode::ACCEPTED, message.message_id.to_string()))
}

async fn result(State(broker): State<Broker>, Path(id): Path<String>) -> Result<Answer, Answer> {
    Ok(match broker.result_of::<shout>(&id.as_str().into()).await.map_err(unavailable)? {
        Some(Stored::Value(value)) => (StatusCode::OK, value.read().map_err(unavailable)?),
        Some(Stored::Failed { text, .. }) => (StatusCode::INTERNAL_SERVER_ERROR, text),
        None => (StatusCode::NOT_FOUND, "no result yet".to_owned()),
    })
}

fn unavailable(error: impl Error) -> Answer {
    (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let mut terminate = signal(SignalKind::terminate())?;
    let asked_to_stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
    };

    let listener = TcpListener::bind(setting("ADDRESS", "127.0.0.1:3000")).await?;
    let broker = Broker::connect(&setting("BROKER_URL", "sqlite:tasks.db")).await?;
    // No longer than what stops this process waits before it kills.
    let worker = Worker::new(broker.clone()).actors(actors![shout]).shutdown_timeout(Duration::from_secs(8)).start();
    worker.ready().await?;

    let routes = Router::new().route("/shout", post(enqueue)).route("/shout/{id}", get(result)).with_state(broker);
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, routes).with_graceful_shutdown(asked_to_stop).await?;

    worker.stop();
    println!("the worker's end: {:?}", worker.join().await?);
    Ok(())
}
