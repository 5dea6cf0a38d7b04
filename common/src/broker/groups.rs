//! Groups, and how far they are.

use super::Broker;
use crate::error::{EnqueueError, StoreError};
use crate::store::{GroupInfo, NewGroup};

impl Broker {
    /// Opens a group, before its members are sent.
    ///
    /// # Errors
    ///
    /// None of its members was stored.
    pub(crate) async fn open_group(&self, group: &NewGroup) -> Result<bool, EnqueueError> {
        let (store, group) = (self.store().clone(), group.clone());
        let opened = self.on_io_thread(async move { store.open_group(&group).await }).await?;
        opened.map_err(|cause| EnqueueError::NotStored { stored: 0, cause })
    }

    pub(crate) fn open_group_blocking(&self, group: &NewGroup) -> Result<bool, EnqueueError> {
        self.io_thread().check()?;
        let (store, group) = (self.store().clone(), group.clone());
        let opened = self.io_thread().run_blocking(async move { store.open_group(&group).await });
        opened.map_err(|cause| EnqueueError::NotStored { stored: 0, cause })
    }

    /// How far the group of this name is ([`SentGroup::name`](crate::composition::SentGroup::name)): for whoever kept no more than that. `None`
    /// where nothing is known of it (any more).
    ///
    /// # Errors
    ///
    /// What the store says.
    pub async fn group(&self, name: &str) -> Result<Option<GroupInfo>, StoreError> {
        let (store, name) = (self.store().clone(), name.to_owned());
        self.on_io_thread(async move { store.group(&name).await }).await?
    }

    /// The same, from a thread that may wait.
    ///
    /// # Errors
    ///
    /// What the store says.
    pub fn group_blocking(&self, name: &str) -> Result<Option<GroupInfo>, StoreError> {
        self.io_thread().check()?;
        let (store, name) = (self.store().clone(), name.to_owned());
        self.io_thread().run_blocking(async move { store.group(&name).await })
    }
}
