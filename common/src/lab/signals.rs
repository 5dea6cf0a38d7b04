//! What stops a program: signals, or the watcher that runs it.

use std::io::{self, Read as _};
use std::thread;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// A request to stop, and the ones after it, which are more urgent.
#[derive(Debug)]
pub(super) struct Signals(UnboundedReceiver<()>);

impl Signals {
    /// Listens to Ctrl-C and its like from now on; they do not end the process any more.
    pub(super) fn listen() -> io::Result<Self> {
        let (asked, signals) = mpsc::unbounded_channel();
        relay(asked)?;
        Ok(Self(signals))
    }

    /// The same, and to the watcher: each byte on stdin stands for a signal, and the end of stdin for one as well.
    pub(super) fn listen_to_watcher_too() -> io::Result<Self> {
        let (asked, signals) = mpsc::unbounded_channel();
        relay(asked.clone())?;
        // A thread, because a read of stdin can't be cancelled; the end of the process ends it.
        thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let (mut byte, mut is_asked) = ([0], false);
            while let Ok(1..) = io::stdin().read(&mut byte) {
                is_asked = true;
                let _ = asked.send(());
            }
            if !is_asked {
                let _ = asked.send(());
            }
        })?;
        Ok(Self(signals))
    }

    /// Waits for the next one. Cancel safe.
    pub(super) async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
fn relay(asked: UnboundedSender<()>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    for kind in [SignalKind::interrupt(), SignalKind::terminate()] {
        let mut signals = signal(kind)?;
        let asked = asked.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && asked.send(()).is_ok() {} });
    }
    Ok(())
}

#[cfg(not(unix))]
fn relay(asked: UnboundedSender<()>) -> io::Result<()> {
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && asked.send(()).is_ok() {} });
    Ok(())
}
