//! What stops a program: signals, or the watcher that runs it.
//!
//! | what | what it does |
//! | --- | --- |
//! | SIGTERM, SIGINT (Ctrl-C) | asks once more; each is more urgent than the one before |
//! | SIGHUP (the terminal was closed) | asks, unless somebody has; a shell and the system send it both |
//! | a byte on stdin, or its end | the same as SIGTERM, from the watcher |
//!
//! SIGINT and SIGHUP that are ignored when the program starts stay ignored: the first where a script puts a program into the
//! background with `&`, whose Ctrl-C is meant for somebody else, the second by `nohup`. SIGTERM is meant whatever was inherited.
//! Where the system does not tell what is ignored (anything but Linux), SIGHUP is left alone.

use std::io::{self, Read as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

/// A request to stop, and the ones after it, which are more urgent.
#[derive(Debug)]
pub(super) struct Signals {
    asked: Asked,
    requests: UnboundedReceiver<()>,
}

/// Where requests come in.
#[derive(Clone, Debug)]
struct Asked {
    requests: UnboundedSender<()>,
    /// Whether a hangup has nothing to add any more.
    is_asked: Arc<AtomicBool>,
}

impl Asked {
    /// Asks once more. False when nobody listens any more.
    fn ask(&self) -> bool {
        self.is_asked.store(true, Ordering::Relaxed);
        self.requests.send(()).is_ok()
    }

    /// Asks if nobody has.
    fn ask_first(&self) -> bool {
        self.is_asked.swap(true, Ordering::Relaxed) || self.requests.send(()).is_ok()
    }
}

impl Signals {
    /// Takes Ctrl-C and its like from now on; they do not end the process any more. Has to be called in a runtime.
    pub(super) fn take() -> io::Result<Self> {
        let (sender, requests) = mpsc::unbounded_channel();
        let asked = Asked { requests: sender, is_asked: Arc::default() };
        relay(&asked)?;
        Ok(Self { asked, requests })
    }

    /// Listens to the watcher too: each byte on stdin stands for a signal, and the end of stdin for one as well. A hangup is
    /// the watcher's to pass on.
    pub(super) fn listen_to_watcher(&self) -> io::Result<()> {
        let asked = self.asked.clone();
        asked.is_asked.store(true, Ordering::Relaxed);
        // A thread, because a read of stdin can't be cancelled; the end of the process ends it.
        thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let (mut byte, mut is_asked) = ([0], false);
            while let Ok(1..) = io::stdin().read(&mut byte) {
                is_asked = true;
                asked.ask();
            }
            if !is_asked {
                asked.ask();
            }
        })?;
        Ok(())
    }

    /// Waits for the next one. Cancel safe.
    pub(super) async fn next(&mut self) {
        if self.requests.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(unix)]
fn relay(asked: &Asked) -> io::Result<()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};

    fn pass_on(mut signals: Signal, asked: &Asked, ask: fn(&Asked) -> bool) {
        let asked = asked.clone();
        tokio::spawn(async move { while signals.recv().await.is_some() && ask(&asked) {} });
    }

    // Read before anything is taken.
    let ignored = ignored();
    let is_ignored = |kind: SignalKind| ignored.map(|ignored| ignored >> (kind.as_raw_value() - 1) & 1 == 1);
    pass_on(signal(SignalKind::terminate())?, asked, Asked::ask);
    if is_ignored(SignalKind::interrupt()) != Some(true) {
        pass_on(signal(SignalKind::interrupt())?, asked, Asked::ask);
    }
    if is_ignored(SignalKind::hangup()) == Some(false) {
        pass_on(signal(SignalKind::hangup())?, asked, Asked::ask_first);
    }
    Ok(())
}

/// The signals that this process ignores, a bit each; unknown on most systems.
#[cfg(unix)]
fn ignored() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(not(unix))]
fn relay(asked: &Asked) -> io::Result<()> {
    let asked = asked.clone();
    tokio::spawn(async move { while tokio::signal::ctrl_c().await.is_ok() && asked.ask() {} });
    Ok(())
}
