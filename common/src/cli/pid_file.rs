//! The file that tells the id of the process to whoever has to find it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use super::Failure;

/// The file, for as long as the process runs. It is locked, so that of two that start at once one is refused.
///
/// # Source
///
/// dramatiq 2.2, the option `--pid-file` of its command line: which files are replaced, which are refused, and the exit code. The lock
/// is ours.
#[derive(Debug)]
pub(super) struct PidFile {
    path: PathBuf,
    _locked: File,
}

impl PidFile {
    /// Writes it. One that a process left behind which has ended is replaced.
    pub(super) fn write(path: &Path) -> Result<Self, Failure> {
        let refused = |cause: String| Failure::PidFile(format!("the pid file {}: {cause}", path.display()));
        let failed = |error: io::Error| refused(format!("it cannot be written: {error}"));
        let mut file = open(path).map_err(failed)?;
        let mut text = String::new();
        let read = file.read_to_string(&mut text);
        let was: Option<u32> = text.trim().parse().ok();
        if file.try_lock().is_err() {
            return Err(refused(running(was)));
        }
        if read.is_err() || was.is_none() && !text.trim().is_empty() {
            return Err(refused(
                "it holds no process id, so it is left as it is; remove it, or name another one".to_owned(),
            ));
        }
        if was.is_some_and(|was| was != process::id() && is_alive(was)) {
            return Err(refused(running(was)));
        }
        file.set_len(0).map_err(failed)?;
        io::Seek::rewind(&mut file).map_err(failed)?;
        write!(file, "{}", process::id()).map_err(failed)?;
        Ok(Self { path: path.to_owned(), _locked: file })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // One that somebody else has removed already is none of ours.
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

fn running(process: Option<u32>) -> String {
    let process = process.map_or_else(|| "a process".to_owned(), |id| format!("process {id}"));
    format!("{process} runs already; stop it, or name another file")
}

/// Whether there is a process of this id; also one of another user.
#[cfg(unix)]
fn is_alive(id: u32) -> bool {
    use rustix::io::Errno;
    use rustix::process::{Pid, test_kill_process};

    // One that has ended stays until its parent has asked for its end.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let has_ended = stat.rsplit(") ").next().is_some_and(|state| state.starts_with(['Z', 'X']));
    let id = i32::try_from(id).ok().and_then(Pid::from_raw);
    !has_ended && id.is_some_and(|id| test_kill_process(id) != Err(Errno::SRCH))
}

#[cfg(not(unix))]
fn is_alive(_: u32) -> bool {
    // The lock tells.
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(path: &Path) -> String {
        PidFile::write(path).unwrap_err().to_string()
    }

    #[test]
    fn it_holds_the_id_until_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), process::id().to_string());
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn one_of_a_process_that_has_ended_is_replaced_and_so_is_ones_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.pid");
        let mut ended = process::Command::new("true").spawn().unwrap();
        ended.wait().unwrap();
        for old in [ended.id().to_string(), process::id().to_string(), String::new()] {
            fs::write(&path, old).unwrap();
            drop(PidFile::write(&path).unwrap());
        }
    }

    #[test]
    fn one_of_a_process_that_runs_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.pid");
        let first = PidFile::write(&path).unwrap();
        assert!(refused(&path).contains("runs already"));
        drop(first);
        fs::write(&path, "1").unwrap();
        assert!(refused(&path).ends_with("process 1 runs already; stop it, or name another file"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1");
    }

    #[test]
    fn what_is_no_id_is_refused_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.pid");
        fs::write(&path, "my notes").unwrap();
        assert!(refused(&path).contains("it holds no process id"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "my notes");
        assert!(refused(&folder.path().join("none/worker.pid")).contains("it cannot be written"));
    }
}
