//! Kills what a test process started, when the test process is gone.
//!
//! One small shell a test process reads the groups that are alive from a pipe. The system closes the pipe when the test process
//! ends, however it ends; then the shell kills the groups it knows, and ends as well. It stands in a group of its own, so that
//! Ctrl-C doesn't reach it.
//!
//! (Linux could send a signal at a parent's death, but it does so at the death of the *thread* that started the child, and a
//! test is a thread.)

use rustix::process::Pid;
use std::{
    io::Write,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

const SCRIPT: &str = r#"
groups=
while read -r act group; do
    case $act in
        watch) groups="$groups $group" ;;
        forget) others=
            for other in $groups; do [ "$other" = "$group" ] || others="$others $other"; done
            groups=$others ;;
    esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
"#;

/// From now on `group` dies with this process.
pub(super) fn watch(group: Pid) {
    tell("watch", group);
}

/// `group` is dead, and its number may soon be another's.
pub(super) fn forget(group: Pid) {
    tell("forget", group);
}

fn tell(act: &str, group: Pid) {
    static WARDEN: OnceLock<Mutex<Child>> = OnceLock::new();
    let mut reaper = WARDEN.get_or_init(|| Mutex::new(start())).lock().unwrap_or_else(PoisonError::into_inner);
    let line = format!("{act} {}\n", group.as_raw_nonzero());
    let told = reaper.stdin.as_mut().map(|pipe| pipe.write_all(line.as_bytes()));
    assert!(matches!(told, Some(Ok(()))), "the reaper of child processes is gone: {told:?}");
}

fn start() -> Child {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT]).process_group(0);
    shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.spawn().unwrap_or_else(|error| panic!("`sh` can't be started: {error}"))
}
