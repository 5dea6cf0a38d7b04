//! Waiting for what is kept under a key, such as a result, or a slot of a limit: the server tells when that changes, whoever stores it.
//!
//! To look and to ask to be told is one step, on the connection that waiting workers listen on; so nothing is missed, and nobody looks
//! again and again. Where the server does not tell, the key is looked at from time to time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::RedisStore;
use super::error::refusal;
use super::line::silence;
use crate::error::StoreError;
use crate::store::look_for_stored;

/// After this long a key is looked at anew, should the server have forgotten whom to tell.
const TRUSTED: Duration = Duration::from_secs(60);

/// Who is to be told of which key. What the server tells of a key, it tells once.
#[derive(Clone, Debug, Default)]
pub(super) struct Listeners(Arc<Mutex<ByKey>>);

type ByKey = HashMap<Vec<u8>, Vec<Arc<Notify>>>;

/// One of them, until this is dropped.
struct Listener<'a> {
    listeners: &'a Listeners,
    key: &'a str,
    notify: Arc<Notify>,
}

impl Listeners {
    fn add<'a>(&'a self, key: &'a str) -> Listener<'a> {
        let notify = Arc::<Notify>::default();
        self.lock().entry(key.as_bytes().to_vec()).or_default().push(notify.clone());
        Listener { listeners: self, key, notify }
    }

    /// Tells those who wait for some of these keys, and leaves the others in the list.
    pub(super) fn tell(&self, keys: &mut Vec<Vec<u8>>) {
        let listeners = self.lock();
        if listeners.is_empty() {
            return;
        }
        keys.retain(|key| {
            let told = listeners.get(key);
            told.into_iter().flatten().for_each(|listener| listener.notify_one());
            told.is_none()
        });
    }

    /// Everything may have changed.
    pub(super) fn tell_all(&self) {
        self.lock().values().flatten().for_each(|listener| listener.notify_one());
    }

    fn lock(&self) -> MutexGuard<'_, ByKey> {
        // Nothing under this lock panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut of_key) = self.listeners.lock().entry(self.key.as_bytes().to_vec()) {
            of_key.get_mut().retain(|other| !Arc::ptr_eq(other, &self.notify));
            if of_key.get().is_empty() {
                of_key.remove();
            }
        }
    }
}

/// Cancel safe: it changes nothing, and what it has asked for comes to nobody.
pub(super) async fn run(store: &RedisStore, key: &str) {
    let mut look = redis::cmd("LINDEX");
    look.arg(key).arg(0);
    match store.listen_for(key, &look, |value| *value != Value::Nil).await {
        Ok(true) => return,
        Ok(false) => {}
        Err(error) => tracing::debug!(target: "common::broker", "cannot listen: {error}"),
    }
    look_for_stored(store, key).await;
}

impl RedisStore {
    /// Waits until what a key holds is as it `is_wanted`; or not, where the server does not tell. `look` asks what that is.
    pub(super) async fn listen_for(
        &self,
        key: &str,
        look: &redis::Cmd,
        is_wanted: impl Fn(&Value) -> bool,
    ) -> Result<bool, StoreError> {
        loop {
            let mut subscription = self.notifier.subscription().await?;
            if !subscription.is_tracking {
                return Ok(false);
            }
            let listeners = subscription.listeners.clone();
            // Before the look: a change right after it must find us here.
            let listener = listeners.add(key);
            match subscription.line.call(look).await {
                Some(Ok(Value::ServerError(error))) => return Err(StoreError::Refused(format!("{key}: {error:?}"))),
                Some(Ok(value)) if is_wanted(&value) => return Ok(true),
                Some(Ok(_)) => drop(timeout(TRUSTED, listener.notify.notified()).await),
                Some(Err(error)) => return Err(refusal(&error)),
                None => {
                    subscription.is_broken.store(true, Ordering::Relaxed);
                    return Err(silence());
                }
            }
        }
    }
}
