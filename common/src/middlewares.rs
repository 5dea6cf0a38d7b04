//! The middleware that comes along.

pub mod callbacks;
pub mod results;
pub mod retries;

use self::callbacks::Callbacks;
use self::results::Results;
use self::retries::Retries;
use crate::broker::Broker;

impl Broker {
    /// The same broker with the middleware that a connected one has: [`Results`], [`Callbacks`] and [`Retries`].
    ///
    /// # Panics
    ///
    /// When the broker was cloned before: the clones would do without it.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        self.with(Results::default()).with(Callbacks).with(Retries::default())
    }
}
