//! Why the system does not watch a file or a folder.

use std::fs::File;
use std::io;

use notify::ErrorKind;

/// No room for another one, in the system's numbers: of files of this process, and of watchers of this user.
const EMFILE: i32 = 24;

/// What went wrong, and where it is a limit, which one to raise: the system names another one, or none.
pub(crate) fn watch_error(error: &notify::Error) -> String {
    match &error.kind {
        ErrorKind::MaxFilesWatch => limit("watches", 524_288),
        ErrorKind::Io(cause) if is_emfile(cause) && can_open() => limit("instances", 1_024),
        ErrorKind::Io(cause) if is_emfile(cause) => {
            format!("{cause}; this process may have no more (`ulimit -n` raises that)")
        }
        _ => error.to_string(),
    }
}

/// The words about a limit for all programs of a user.
fn limit(what: &str, enough: u32) -> String {
    format!(
        "this user's programs have all the inotify {what} that they may have (fs.inotify.max_user_{what}); more are \
         permitted by `sudo sysctl fs.inotify.max_user_{what}={enough}`"
    )
}

fn is_emfile(error: &io::Error) -> bool {
    cfg!(target_os = "linux") && error.raw_os_error() == Some(EMFILE)
}

/// Whether this process may still open files.
fn can_open() -> bool {
    !File::open("/dev/null").is_err_and(|error| is_emfile(&error))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_called_by_its_name() {
        let said = watch_error(&notify::Error::new(ErrorKind::MaxFilesWatch));
        assert!(said.contains("`sudo sysctl fs.inotify.max_user_watches=524288`"), "{said}");
        let said = watch_error(&notify::Error::io(io::Error::from_raw_os_error(EMFILE)));
        assert!(said.contains("fs.inotify.max_user_instances") && !said.contains("open files"), "{said}");
        let other = notify::Error::io(io::Error::from_raw_os_error(13));
        assert_eq!(watch_error(&other), "Permission denied (os error 13)");
    }
}
