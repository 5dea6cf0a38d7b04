//! Stores around a store: what a wrapper leaves as it is goes on to the store inside.

use super::Boxed;
use crate::error::StoreError;

/// Writes the methods of [`Store`](super::Store) or of [`Inspect`](super::Inspect) that only pass their call on to a store
/// inside, so that a wrapper spells out no more than what it does otherwise.
///
/// It stands in the `impl`, and names in `except […]` the methods that the wrapper has itself. The field is a store or points
/// to one (`MemoryStore`, `Arc<dyn Inspect>`, `&S`).
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use common::error::EnqueueError;
/// use common::message::Message;
/// use common::store::{Boxed, Inspect, Store, delegate};
///
/// /// Counts what is sent.
/// #[derive(Debug)]
/// struct Counted {
///     store: Arc<dyn Inspect>,
///     sent: AtomicUsize,
/// }
///
/// impl Store for Counted {
///     delegate!(Store to self.store, except [enqueue]);
///
///     fn enqueue<'a>(&'a self, messages: &'a [Message]) -> Boxed<'a, Result<(), EnqueueError>> {
///         self.sent.fetch_add(messages.len(), Ordering::Relaxed);
///         self.store.enqueue(messages)
///     }
/// }
///
/// impl Inspect for Counted {
///     delegate!(Inspect to self.store);
/// }
/// ```
///
/// A method in `except` that the trait does not have is an error, and so is one that the wrapper does not have. Only
/// [`Inspect::get`](super::Inspect::get) and [`Inspect::look`](super::Inspect::look) may be missing, which the trait makes of
/// [`Inspect::find`](super::Inspect::find) then, and [`Store::limiters`](super::Store::limiters): it has none then.
#[doc(inline)]
pub use crate::__store_delegate as delegate;

/// What most methods answer, for the macro.
#[doc(hidden)]
pub type Delegated<'a, T> = Boxed<'a, Result<T, StoreError>>;

/// Expands to methods; its name is [`delegate!`](crate::store::delegate).
#[doc(hidden)]
#[macro_export]
macro_rules! __store_delegate {
    (Store to $self:ident $(. $field:tt)+ $(, except [$($except:ident),* $(,)?])?) => {
        $crate::__store_delegate! { @methods $self { $self $(. $field)+ } [$($($except)*)?]
            fn enqueue<'a>(messages: &'a [$crate::message::Message])
                -> $crate::store::Boxed<'a, ::core::result::Result<(), $crate::error::EnqueueError>>;
            fn register<'a>(queues: &'a [$crate::queue_name::QueueName])
                -> $crate::store::Delegated<'a, $crate::store::Registration>;
            fn fetch<'a>(
                registration: &'a $crate::store::Registration,
                requests: &'a [$crate::store::FetchRequest],
                limit: usize
            ) -> $crate::store::Delegated<'a, $crate::store::Fetched>;
            fn start<'a>(registration: &'a $crate::store::Registration, claims: &'a [$crate::store::Claim])
                -> $crate::store::Delegated<'a, Vec<bool>>;
            fn wait<'a>(queues: &'a [$crate::queue_name::QueueName], due: Option<$crate::clock::Timestamp>)
                -> $crate::store::Boxed<'a, $crate::store::Wake>;
            fn wait_for_priority<'a>(queues: &'a [$crate::queue_name::QueueName], before: i32)
                -> $crate::store::Boxed<'a, ()>;
            fn open_group<'a>(group: &'a $crate::store::NewGroup) -> $crate::store::Delegated<'a, bool>;
            fn finish<'a>(registration: &'a $crate::store::Registration, completions: &'a [$crate::store::Completion])
                -> $crate::store::Delegated<'a, Vec<$crate::store::Finished>>;
            fn keep<'a>(values: &'a [$crate::store::Kept])
                -> $crate::store::Boxed<'a, Vec<::core::result::Result<(), $crate::error::StoreError>>>;
            fn count_members<'a>(counts: &'a [$crate::store::Count])
                -> $crate::store::Boxed<
                    'a,
                    Vec<::core::result::Result<$crate::store::Counted, $crate::error::StoreError>>
                >;
            fn unended<'a>(queues: &'a [$crate::queue_name::QueueName], limit: usize)
                -> $crate::store::Delegated<'a, Vec<$crate::store::Unended>>;
            fn beat<'a>(
                registration: &'a $crate::store::Registration,
                held: &'a [$crate::store::Claim],
                waiting: &'a [$crate::store::Claim]
            ) -> $crate::store::Delegated<'a, $crate::store::Beat>;
            fn deregister<'a>(registration: &'a $crate::store::Registration) -> $crate::store::Delegated<'a, ()>;
            fn limiters() -> Option<&dyn $crate::store::Limiters>;
        }
    };
    (Inspect to $self:ident $(. $field:tt)+ $(, except [$($except:ident),* $(,)?])?) => {
        $crate::__store_delegate! { @methods $self { $self $(. $field)+ } [$($($except)*)?]
            fn queues<'a>(after: Option<&'a $crate::queue_name::QueueName>, limit: usize)
                -> $crate::store::Delegated<'a, Vec<$crate::store::QueueInfo>>;
            fn queue<'a>(name: &'a $crate::queue_name::QueueName)
                -> $crate::store::Delegated<'a, Option<$crate::store::QueueInfo>>;
            fn counts<'a>(queue: &'a $crate::queue_name::QueueName)
                -> $crate::store::Delegated<'a, $crate::store::Counts>;
            fn workers<'a>(after: Option<&'a str>, limit: usize)
                -> $crate::store::Delegated<'a, Vec<$crate::store::WorkerInfo>>;
            fn find<'a>(id: &'a str, depth: usize) -> $crate::store::Delegated<'a, Vec<$crate::store::MessageInfo>>;
            fn get<'a>(claim: &'a $crate::store::Claim)
                -> $crate::store::Delegated<'a, Option<$crate::store::MessageInfo>>;
            fn look<'a>(look: &'a $crate::store::Look) -> $crate::store::Delegated<'a, $crate::store::Looked>;
            fn dead_letters<'a>(queue: &'a $crate::queue_name::QueueName, skip: usize, limit: usize)
                -> $crate::store::Delegated<'a, Vec<$crate::store::DeadLetter>>;
            fn requeue_dead<'a>(
                queue: &'a $crate::queue_name::QueueName,
                letters: &'a [(String, $crate::message::Message)]
            ) -> $crate::store::Delegated<'a, Vec<bool>>;
            fn delete<'a>(queue: &'a $crate::queue_name::QueueName, names: &'a [String])
                -> $crate::store::Delegated<'a, Vec<bool>>;
            fn cancel<'a>(queue: &'a $crate::queue_name::QueueName, name: &'a str, reason: &'a str)
                -> $crate::store::Delegated<'a, Option<$crate::store::Cancelled>>;
            fn pause<'a>(queue: &'a $crate::queue_name::QueueName, paused: bool) -> $crate::store::Delegated<'a, bool>;
            fn purge<'a>(queue: &'a $crate::queue_name::QueueName) -> $crate::store::Delegated<'a, usize>;
            fn stored<'a>(key: &'a str) -> $crate::store::Delegated<'a, Option<Vec<u8>>>;
            fn stored_all<'a>(keys: &'a [String]) -> $crate::store::Delegated<'a, Vec<Option<Vec<u8>>>>;
            fn forget<'a>(keys: &'a [String]) -> $crate::store::Delegated<'a, usize>;
            fn wait_stored<'a>(key: &'a str) -> $crate::store::Boxed<'a, ()>;
            fn group<'a>(name: &'a str) -> $crate::store::Delegated<'a, Option<$crate::store::GroupInfo>>;
            fn address() -> String;
            fn is_shared_with_python() -> bool;
        }
    };
    (@methods $self:ident { $to:expr } $except:tt
        $(fn $method:ident $(<$a:lifetime>)? ($($argument:ident: $kind:ty),*) -> $answer:ty;)*
    ) => {
        $($crate::__store_delegate! { @unless $method in $except {
            fn $method $(<$a>)? (& $($a)? $self $(, $argument: $kind)*) -> $answer {
                $to.$method($($argument),*)
            }
        } })*
        $crate::__store_delegate! { @known $self $except [$($method)*] }
    };
    // So the compiler points to a method that the trait does not have, and names the one that was meant.
    (@known $self:ident [$($except:ident)*] $methods:tt) => {
        $($crate::__store_delegate! { @unless $except in $methods { fn $except(&$self) {} } })*
    };
    (@unless enqueue in [enqueue $($rest:ident)*] $method:tt) => {};
    (@unless register in [register $($rest:ident)*] $method:tt) => {};
    (@unless fetch in [fetch $($rest:ident)*] $method:tt) => {};
    (@unless start in [start $($rest:ident)*] $method:tt) => {};
    (@unless wait in [wait $($rest:ident)*] $method:tt) => {};
    (@unless wait_for_priority in [wait_for_priority $($rest:ident)*] $method:tt) => {};
    (@unless open_group in [open_group $($rest:ident)*] $method:tt) => {};
    (@unless finish in [finish $($rest:ident)*] $method:tt) => {};
    (@unless keep in [keep $($rest:ident)*] $method:tt) => {};
    (@unless count_members in [count_members $($rest:ident)*] $method:tt) => {};
    (@unless unended in [unended $($rest:ident)*] $method:tt) => {};
    (@unless beat in [beat $($rest:ident)*] $method:tt) => {};
    (@unless deregister in [deregister $($rest:ident)*] $method:tt) => {};
    (@unless limiters in [limiters $($rest:ident)*] $method:tt) => {};
    (@unless queues in [queues $($rest:ident)*] $method:tt) => {};
    (@unless queue in [queue $($rest:ident)*] $method:tt) => {};
    (@unless counts in [counts $($rest:ident)*] $method:tt) => {};
    (@unless workers in [workers $($rest:ident)*] $method:tt) => {};
    (@unless find in [find $($rest:ident)*] $method:tt) => {};
    (@unless get in [get $($rest:ident)*] $method:tt) => {};
    (@unless look in [look $($rest:ident)*] $method:tt) => {};
    (@unless dead_letters in [dead_letters $($rest:ident)*] $method:tt) => {};
    (@unless requeue_dead in [requeue_dead $($rest:ident)*] $method:tt) => {};
    (@unless delete in [delete $($rest:ident)*] $method:tt) => {};
    (@unless cancel in [cancel $($rest:ident)*] $method:tt) => {};
    (@unless pause in [pause $($rest:ident)*] $method:tt) => {};
    (@unless purge in [purge $($rest:ident)*] $method:tt) => {};
    (@unless stored in [stored $($rest:ident)*] $method:tt) => {};
    (@unless stored_all in [stored_all $($rest:ident)*] $method:tt) => {};
    (@unless forget in [forget $($rest:ident)*] $method:tt) => {};
    (@unless wait_stored in [wait_stored $($rest:ident)*] $method:tt) => {};
    (@unless group in [group $($rest:ident)*] $method:tt) => {};
    (@unless is_shared_with_python in [is_shared_with_python $($rest:ident)*] $method:tt) => {};
    (@unless address in [address $($rest:ident)*] $method:tt) => {};
    (@unless $name:ident in [] { $($method:tt)* }) => { $($method)* };
    (@unless $name:ident in [$other:ident $($rest:ident)*] $method:tt) => {
        $crate::__store_delegate! { @unless $name in [$($rest)*] $method }
    };
}

#[cfg(test)]
mod tests {
    use std::slice;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::Delegated;
    use crate::clock::Clock;
    use crate::queue_name::QueueName;
    use crate::store::{Claim, Inspect, MessageInfo, Registration, Store, delegate};
    use crate::stores::memory::MemoryStore;

    /// Counts the calls of two methods.
    #[derive(Debug)]
    struct Counted {
        store: MemoryStore,
        calls: AtomicUsize,
    }

    impl Store for Counted {
        delegate!(Store to self.store, except [register]);

        fn register<'a>(&'a self, queues: &'a [QueueName]) -> Delegated<'a, Registration> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.store.register(queues)
        }
    }

    impl Inspect for Counted {
        delegate!(Inspect to self.store, except [get]);

        fn get<'a>(&'a self, claim: &'a Claim) -> Delegated<'a, Option<MessageInfo>> {
            self.calls.fetch_add(1, Ordering::Relaxed);
            self.store.get(claim)
        }
    }

    /// Changes nothing.
    #[derive(Debug)]
    struct Around(Arc<dyn Inspect>);

    impl Store for Around {
        delegate!(Store to self.0);
    }

    impl Inspect for Around {
        delegate!(Inspect to self.0);
    }

    #[tokio::test]
    async fn a_wrapper_has_its_own_methods_and_those_of_the_store_inside() {
        let store = MemoryStore::new(Clock::system());
        let counted = Arc::new(Counted { store: store.clone(), calls: AtomicUsize::new(0) });
        let around = Around(counted.clone());
        let queue = QueueName::default();
        around.register(slice::from_ref(&queue)).await.expect("registered");
        assert_eq!(counted.calls.load(Ordering::Relaxed), 1);
        let claim = Claim { queue, id: "none".into() };
        assert_eq!(around.get(&claim).await.expect("it is asked"), None);
        assert_eq!(counted.calls.load(Ordering::Relaxed), 2, "a method of the trait's own is passed on as well");
        assert_eq!(around.workers(None, 2).await.expect("it is asked").len(), 1);
        assert_eq!(around.address(), store.address());
    }
}
