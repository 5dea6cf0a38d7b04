//! What SQLite's refusals mean.

use rusqlite::{Error, ErrorCode, ffi};

use crate::error::StoreError;

/// Why a call inside of a transaction did not happen.
#[derive(Debug)]
pub(super) enum TxError {
    Sqlite(Error),
    Store(StoreError),
}

impl From<Error> for TxError {
    fn from(error: Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<StoreError> for TxError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<TxError> for StoreError {
    fn from(trouble: TxError) -> Self {
        match trouble {
            TxError::Sqlite(error) => from_sqlite(&error),
            TxError::Store(error) => error,
        }
    }
}

impl TxError {
    /// Whether the file is damaged.
    pub(super) fn is_damage(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

/// The error in our words.
pub(super) fn from_sqlite(error: &Error) -> StoreError {
    let cause = error.to_string();
    match error.sqlite_error().map(|error| error.extended_code) {
        // The log's index could not grow.
        Some(ffi::SQLITE_IOERR_SHMSIZE) => return StoreError::Full(cause),
        Some(
            ffi::SQLITE_IOERR_LOCK
            | ffi::SQLITE_IOERR_RDLOCK
            | ffi::SQLITE_IOERR_UNLOCK
            | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
            | ffi::SQLITE_IOERR_SHMLOCK,
        ) => {
            return StoreError::Refused(format!("its file system cannot lock files ({cause}): use a local disk"));
        }
        _ => {}
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(cause),
        // The last of these: too many began at once.
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            StoreError::Busy(cause)
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            StoreError::Denied { key: String::new(), command: "write".to_owned(), cause }
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Refused(format!("the database file is damaged: {cause}; nothing is written to it any more"))
        }
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => StoreError::Unreachable(cause),
        _ => StoreError::Refused(cause),
    }
}
