//! Waiting: the server tells when a list changes.
//!
//! A connection of its own reads the lengths of the lists and the first due time, and by that asks to be told once of the next change of each
//! (`CLIENT TRACKING` in its default mode), whoever makes it. To look and to ask is one step, so no message is missed; and
//! as nothing else runs on this connection, a busy worker causes no pushes. What was seen empty is so until the server tells
//! otherwise, and is not looked at again (`wait/known.rs`): with many queues, only those that changed cost anything. Where the
//! server or a proxy knows no tracking, the lengths are looked at from time to time instead.
//!
//! Who waits alone fetches as soon as it hears of something ready, and looks afterwards. Where the last fetch came for nothing,
//! others wait too and one of them was faster; then a look goes first, which costs the server less.

mod ahead;
mod known;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{PushInfo, PushKind, RedisResult, Value};
use tokio::sync::{Mutex, broadcast};

pub(super) use self::ahead::for_priority;
use self::known::{Check, Known};
use super::RedisStore;
use super::candidates::ASKED;
use super::duty::{Duty, Role};
use super::keys::{Keys, is_of_delays};
use super::line::{Line, silence};
use super::scripts::read;
use super::server::Server;
use super::wait_stored::Listeners;
use crate::clock::Timestamp;
use crate::error::StoreError;
use crate::queue_name::QueueName;
use crate::store::Wake;

/// How often the lengths are looked at where the server does not tell.
const POLL: Duration = Duration::from_millis(250);

/// The longest pause while the server cannot be reached; drawn anew each time, so that a fleet does not come all at once.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Changes that a sleeper may lag behind; whoever does is woken.
const BACKLOG: usize = 64;

/// Queues that one call looks at, at most.
const PAGE: usize = 256;

/// The listening connection, shared by all who wait.
#[derive(Debug)]
pub(super) struct Notifier {
    server: Arc<Server>,
    subscription: Mutex<Option<Subscription>>,
    /// It was said that the server does not tell.
    is_said: AtomicBool,
    /// Who listens, where many wait.
    duty: Arc<Duty>,
    /// Whether the last fetch came for nothing: others wait too, and are as fast.
    is_shared: AtomicBool,
}

#[derive(Clone, Debug)]
pub(super) struct Subscription {
    pub(super) line: Line,
    changes: broadcast::Sender<Change>,
    pub(super) is_broken: Arc<AtomicBool>,
    /// Whether the server tells.
    pub(super) is_tracking: bool,
    /// Who waits for what is kept under a key.
    pub(super) listeners: Listeners,
    /// What it would have told of if it had changed.
    known: Arc<std::sync::Mutex<Known>>,
}

/// What the server told.
#[derive(Clone, Debug)]
enum Change {
    /// And whether that may be more than what is delayed in them.
    Queues(Arc<[QueueName]>, bool),
    /// Everything may have changed.
    All,
    /// The connection is lost, or everything else.
    Lost,
}

impl Notifier {
    pub(super) fn new(server: Arc<Server>) -> Self {
        Self {
            server,
            subscription: Mutex::default(),
            is_said: AtomicBool::new(false),
            duty: Arc::default(),
            is_shared: AtomicBool::new(true),
        }
    }

    /// Learns whether a fetch has brought something.
    pub(super) fn fetched(&self, is_any: bool) {
        self.is_shared.store(!is_any, Ordering::Relaxed);
    }

    /// The connection; a new one where there is none that works.
    pub(super) async fn subscription(&self) -> Result<Subscription, StoreError> {
        let mut slot = self.subscription.lock().await;
        if let Some(subscription) = &*slot
            && !subscription.is_broken.load(Ordering::Relaxed)
        {
            return Ok(subscription.clone());
        }
        let changes = broadcast::Sender::new(BACKLOG);
        let is_broken = Arc::new(AtomicBool::new(false));
        let known = Arc::<std::sync::Mutex<Known>>::default();
        let listeners = Listeners::default();
        let mut line = {
            let (changes, is_broken, known) = (changes.clone(), Arc::clone(&is_broken), Arc::clone(&known));
            let (duty, listeners) = (Arc::clone(&self.duty), listeners.clone());
            let on_push = move |push: PushInfo| {
                let change = match push.kind {
                    PushKind::Invalidate => {
                        let keys = push.data.into_iter().next().map(read::<Vec<Vec<u8>>>);
                        let mut keys = keys.and_then(Result::ok).filter(|keys| !keys.is_empty());
                        match &mut keys {
                            Some(keys) => listeners.tell(keys),
                            None => listeners.tell_all(),
                        }
                        if keys.as_ref().is_some_and(Vec::is_empty) {
                            return;
                        }
                        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                        let is_ready = keys.iter().flatten().any(|key| !is_of_delays(key));
                        match keys.map(|keys| known.changed(&keys)) {
                            Some(Some(queues)) => Change::Queues(queues.into(), is_ready),
                            Some(None) => Change::All,
                            None => {
                                known.forget();
                                Change::Lost
                            }
                        }
                    }
                    PushKind::Message => return duty.called(),
                    PushKind::Disconnection => {
                        is_broken.store(true, Ordering::Relaxed);
                        duty.reset();
                        listeners.tell_all();
                        Change::Lost
                    }
                    _ => return,
                };
                // Nobody may be waiting.
                let _ = changes.send(change);
            };
            self.server.connect(on_push).await?
        };
        let mut track = redis::cmd("CLIENT");
        track.arg("TRACKING").arg("ON");
        let is_tracking = match line.call(&track).await {
            Some(answer) => self.started_tracking(answer.and_then(Value::extract_error)),
            None => return Err(silence()),
        };
        let subscription = Subscription { line, changes, is_broken, is_tracking, listeners, known };
        *slot = Some(subscription.clone());
        Ok(subscription)
    }

    pub(super) fn duty(&self) -> &Duty {
        &self.duty
    }

    /// Whether others can call this one by a channel.
    pub(super) async fn can_be_called(&self, channel: &str) -> bool {
        let Ok(mut subscription) = self.subscription().await else { return false };
        subscription.is_tracking && matches!(subscription.line.subscribe(channel).await, Some(Ok(())))
    }

    /// Whether the server tells; says once if it does not.
    fn started_tracking(&self, answer: RedisResult<Value>) -> bool {
        if let Err(error) = &answer
            && !self.is_said.swap(true, Ordering::Relaxed)
        {
            tracing::info!(
                target: "common::broker",
                "{} does not tell of new messages (CLIENT TRACKING: {error}): idle workers look every {} ms",
                self.server.address(),
                POLL.as_millis()
            );
        }
        answer.is_ok()
    }
}

impl Subscription {
    fn known(&self) -> MutexGuard<'_, Known> {
        // Nothing under this lock panics.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What there is in these queues; the next change of each of their keys will be told. Liveness only at what may have changed since
    /// the last look, and at no more once something is ready.
    async fn check(&mut self, keys: &Keys, watch: &[QueueName], due: Option<Timestamp>) -> Result<Check, StoreError> {
        let mut check = self.known().check(watch, due, self.is_tracking);
        let unseen = std::mem::take(&mut check.unseen);
        for page in unseen.chunks(PAGE) {
            let version = self.known().version();
            let mut ask = redis::pipe();
            ask.cmd("SMEMBERS").arg(keys.paused());
            for queue in page {
                ask.cmd("LLEN").arg(keys.ready(queue)).cmd("ZCARD").arg(keys.held(queue));
                ask.cmd("ZRANGE")
                    .arg(keys.due(queue))
                    .arg(0)
                    .arg(0)
                    .arg("WITHSCORES")
                    .cmd("LINDEX")
                    .arg(keys.inbox(queue))
                    .arg(0);
            }
            let error = match self.line.call_all(&ask, 1 + 4 * page.len()).await {
                Some(Ok(answers)) => {
                    self.known().learn(keys, page, &answers, version, due, &mut check);
                    if check.wake == Some(Wake::Ready) {
                        break;
                    }
                    continue;
                }
                Some(Err(error)) => super::error::refusal(&error),
                None => silence(),
            };
            self.is_broken.store(true, Ordering::Relaxed);
            return Err(error);
        }
        Ok(check)
    }
}

/// Cancel safe: it moves nothing, and what it has asked for wakes at most the next one for nothing.
pub(super) async fn run(store: &RedisStore, queues: &[QueueName], due: Option<Timestamp>) -> Wake {
    // A queue that nothing can be fetched from is tried again from time to time, whatever seems to lie in it.
    let refused = store.fetching.is_any();
    let sound: Vec<_> = queues.iter().filter(|queue| !refused || !store.fetching.is_refused(queue)).cloned().collect();
    let is_all = sound.len() == queues.len();
    let woken = if sound.is_empty() { Ok(None) } else { store.listen(&sound, due, is_all).await };
    match woken {
        Ok(Some(wake)) => return wake,
        Ok(None) => {}
        Err(error) => tracing::debug!(target: "common::broker", "cannot listen: {error}"),
    }
    lost_for_a_while().await;
    Wake::Ready
}

/// Until it may be worth another try.
async fn lost_for_a_while() {
    pause(LONGEST_PAUSE.mul_f64(0.2 + 0.8 * fastrand::f64())).await;
}

impl RedisStore {
    /// Nothing when there is nothing to listen to. Where not all can be looked at (`is_all`), it listens for a short while only.
    async fn listen(
        &self,
        watch: &[QueueName],
        due: Option<Timestamp>,
        is_all: bool,
    ) -> Result<Option<Wake>, StoreError> {
        let duty = self.notifier.duty();
        let _waiting = duty.wait();
        let _seat = duty.seats.take(watch).await;
        let mut subscription = self.notifier.subscription().await?;
        // Before the look: a change right after it must find us here.
        let (mut news, mut role) = (subscription.changes.subscribe(), duty.role());
        loop {
            let is_off = matches!(*role.borrow_and_update(), Role::Off(_));
            if is_off && is_all {
                tokio::select! {
                    _ = role.changed() => continue,
                    () = lost(&mut news) => {
                        duty.reset();
                        return Ok(Some(Wake::Ready));
                    }
                }
            }
            let Check { wake, ready, stirred, is_refused, .. } = subscription.check(&self.keys, watch, due).await?;
            if watch.len() > ASKED {
                self.candidates.notice(&ready);
                self.candidates.stir(&stirred);
            }
            // Upkeep that was refused would be refused again; the regular beats try.
            if wake == Some(Wake::Ready) || (wake.is_some() && !self.upkeeping.is_any()) {
                return Ok(wake);
            }
            if !subscription.is_tracking {
                pause(POLL).await;
                if !is_all || is_refused {
                    return Ok(Some(Wake::Ready));
                }
                continue;
            }
            let changed = tokio::select! {
                changed = changed(&mut news, watch) => changed,
                // It listens no longer, or for others too.
                _ = role.changed() => continue,
                () = pause(LONGEST_PAUSE), if !is_all || is_refused => Changed::Unknown,
            };
            let is_alone = *role.borrow() == Role::All && !self.notifier.is_shared.load(Ordering::Relaxed);
            match changed {
                Changed::Unknown => {
                    duty.reset();
                    return Ok(Some(Wake::Ready));
                }
                // Of many queues, a look tells which of them to ask.
                Changed::Ready if is_alone && watch.len() <= ASKED => return Ok(Some(Wake::Ready)),
                Changed::Ready | Changed::Other => {}
            }
        }
    }
}

/// What has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Changed {
    /// What is ready in a queue: a fetch shows what it is, and a look before it would only cost the message time.
    Ready,
    /// Something else of it, or nobody knows what.
    Other,
    /// The connection is lost, or this one lagged behind: what happened meanwhile shows a fetch.
    Unknown,
}

/// Waits until one of these queues has changed.
async fn changed(news: &mut broadcast::Receiver<Change>, watch: &[QueueName]) -> Changed {
    loop {
        match news.recv().await {
            Ok(Change::Queues(changed, is_ready)) => {
                // Of many, any one is probably among them; a look tells.
                if watch.len() > ASKED || changed.iter().any(|queue| watch.contains(queue)) {
                    return if is_ready { Changed::Ready } else { Changed::Other };
                }
            }
            // Which queues are paused has changed, perhaps.
            Ok(Change::All) => return Changed::Other,
            Ok(Change::Lost) | Err(_) => return Changed::Unknown,
        }
    }
}

/// Waits until the connection is lost.
async fn lost(news: &mut broadcast::Receiver<Change>) {
    while !matches!(news.recv().await, Ok(Change::Lost) | Err(broadcast::error::RecvError::Closed)) {}
}

#[expect(clippy::disallowed_methods, reason = "real time, whatever the clock says: it spares the server")]
async fn pause(duration: Duration) {
    tokio::time::sleep(duration).await;
}
