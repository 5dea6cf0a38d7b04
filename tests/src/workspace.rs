//! Where things lie, and the environment variables that steer the kit.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `TEST_REDIS_URL` | the Redis to test against; nothing is started |
//! | `TEST_REDIS_IMAGE` | the image for the Redis container, instead of the default |
//! | `TEST_REDIS_VERSION` | `redis-7.0`, `redis-8.0` or `valkey-8.1`: the server to test on, out of Debian's packages |
//! | `MODEL_SEQUENCES` | how many random sequences each store is held against the model with; `whole` for as many as it takes to reach everything |
//! | `MODEL_SEED` | the one sequence to play, as a failure names it |
//! | `UPDATE_NOTES=1` | write snapshots and notes instead of comparing them |

use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// The folder of the workspace's Cargo.toml.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The target directory that the running test was built into, wherever cargo was told to put it.
///
/// # Panics
/// When this program doesn't lie in `TARGET/PROFILE/deps`, as cargo's tests do.
#[must_use]
pub fn target() -> PathBuf {
    built_in().0
}

/// The profile that the running test was built in, as `cargo build --profile` spells it.
///
/// # Panics
/// As [`target`] does.
#[must_use]
pub fn profile() -> String {
    let profile = built_in().1;
    if profile == "debug" { "dev".to_owned() } else { profile }
}

/// Target directory, and the profile's folder in it.
fn built_in() -> (PathBuf, String) {
    let program = env::current_exe().expect("the running program has a path");
    let folder = program.ancestors().find(|folder| folder.ends_with("deps")).and_then(Path::parent);
    let parts = folder.and_then(|folder| Some((folder.parent()?.to_owned(), folder.file_name()?.to_str()?.to_owned())));
    parts.unwrap_or_else(|| panic!("{} doesn't lie in a cargo target directory", program.display()))
}

/// Says how many random sequences are to be played.
const SEQUENCES: &str = "MODEL_SEQUENCES";

/// Whether `UPDATE_NOTES=1` asks for snapshots and notes to be written.
#[must_use]
pub fn updates() -> bool {
    setting("UPDATE_NOTES").is_some_and(|value| value == "1")
}

/// How many random sequences are to be played: `usual`, unless `MODEL_SEQUENCES` says another number, or asks for the `whole` of them.
///
/// # Panics
/// When it is neither.
#[must_use]
pub fn sequences(usual: u64, whole: u64) -> u64 {
    if setting(SEQUENCES).is_some_and(|value| value == "whole") { whole } else { number(SEQUENCES).unwrap_or(usual) }
}

/// The random sequence that is asked for.
///
/// # Panics
/// When it is no number.
#[must_use]
pub fn seed() -> Option<u64> {
    number("MODEL_SEED")
}

/// The seed of the mixed fleet that is asked for.
///
/// # Panics
/// When it is no number.
#[must_use]
pub fn fleet_seed() -> Option<u64> {
    number("FLEET_SEED")
}

/// How many messages the mixed fleet is to run.
///
/// # Panics
/// When it is no number.
#[must_use]
pub fn fleet_messages() -> Option<u64> {
    number("FLEET_MESSAGES")
}

fn number(name: &str) -> Option<u64> {
    setting(name).map(|value| value.parse().unwrap_or_else(|_| panic!("{name} has to be a number, not `{value}`")))
}

/// An environment variable that is set to something.
pub(crate) fn setting(name: &str) -> Option<String> {
    env::var_os(name).and_then(|value| value.into_string().ok()).filter(|value| !value.is_empty())
}

/// The cargo that runs these tests.
pub(crate) fn cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// The program of that name on PATH, as the shell would find it.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// Holds the lock of that name against other test processes of this workspace until the value is dropped.
///
/// It is the system's file lock, so it is free again however its holder ends.
pub(crate) fn lock(name: &str) -> File {
    let path = target().join(format!("kit-{name}.lock"));
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.unwrap_or_else(|error| panic!("{} can't be opened: {error}", path.display()));
    file.lock().unwrap_or_else(|error| panic!("{} can't be locked: {error}", path.display()));
    file
}

/// A short name for exactly this text, the same in every process.
pub(crate) fn fingerprint(text: &str) -> String {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()).simple().to_string();
    id[..8].to_owned()
}
