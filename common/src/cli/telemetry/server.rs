//! A small HTTP server: `/metrics`, `/live` and `/ready`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use super::super::Failure;
use crate::clock::Clock;
use crate::metrics::{self, Snapshot};

/// How long to wait before a port is tried again that another process has, and after a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a client may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// What can be asked for.
pub(in crate::cli) trait Health: Send + Sync + 'static {
    /// Whether it is alive: if not, it should be started anew.
    fn is_live(&self) -> bool;

    /// Whether it takes messages.
    fn is_ready(&self) -> bool;

    /// Its numbers.
    fn snapshot(&self) -> impl Future<Output = Snapshot> + Send;
}

/// Takes the port; where another process may have it that leaves soon, that is waited for.
pub(in crate::cli) async fn bind(address: SocketAddr, waits: bool) -> Result<TcpListener, Failure> {
    let clock = Clock::system();
    let mut is_told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let at = listener.local_addr().unwrap_or(address);
                tracing::info!(target: "common::metrics", "http://{at}/metrics, /live and /ready");
                return Ok(listener);
            }
            Err(error) if waits => {
                if !std::mem::replace(&mut is_told, true) {
                    tracing::info!(target: "common::metrics", "waiting for {address}: {error}");
                }
                clock.sleep(PAUSE).await;
            }
            Err(error) => return Err(Failure::Usage(format!("the metrics cannot be served on {address}: {error}"))),
        }
    }
}

/// Serves until the process ends.
pub(in crate::cli) async fn serve(listener: TcpListener, health: Arc<impl Health>) {
    let clock = Clock::system();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No room for another connection.
            clock.sleep(PAUSE).await;
            continue;
        };
        let health = health.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(health.clone(), request));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
            // A client that goes away is no error of ours.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(health: Arc<impl Health>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Ok(text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".to_owned()));
    }
    let whether = |is_so: bool, yes: &str, no: &str| {
        let (status, what) = if is_so { (StatusCode::OK, yes) } else { (StatusCode::SERVICE_UNAVAILABLE, no) };
        text(status, format!("{what}\n"))
    };
    Ok(match request.uri().path() {
        "/metrics" => {
            let mut response = text(StatusCode::OK, health.snapshot().await.text());
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
            response
        }
        "/live" => whether(health.is_live(), "live", "the broker has not answered the last heartbeats"),
        "/ready" => whether(health.is_ready(), "ready", "it takes no messages"),
        _ => text(StatusCode::NOT_FOUND, "there are /metrics, /live and /ready\n".to_owned()),
    })
}

fn text(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
