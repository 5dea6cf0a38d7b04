//! Servers of certain versions, out of Debian's packages, whatever this machine runs.
//!
//! `TEST_REDIS_VERSION` names one of [`RELEASES`]; the kit then tests on that server as a process. Nothing is installed: apt
//! keeps its state, and the packages go, in a folder of the target directory, made at first use. What is started is the
//! package's own program by the package's own loader and libraries, so the machine's C library may be older.

use crate::{process::copy_program, workspace};
use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A server that can be had.
struct Release {
    /// As `TEST_REDIS_VERSION` spells it.
    name: &'static str,
    /// The Debian release that has it.
    suite: &'static str,
    /// The package with the program; the one that is called after the server holds only a link to it.
    package: &'static str,
    /// The same program as the server's, which looks at its own name.
    program: &'static str,
}

const RELEASES: [Release; 3] = [
    Release { name: "redis-7.0", suite: "bookworm", package: "redis-tools", program: "redis-check-rdb" },
    Release { name: "redis-8.0", suite: "trixie", package: "redis-tools", program: "redis-check-rdb" },
    Release { name: "valkey-8.1", suite: "trixie", package: "valkey-tools", program: "valkey-check-rdb" },
];

/// What Debian signs its packages with, on a machine of its kind.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

const MIRROR: &str = "http://deb.debian.org/debian";

/// Starts the program that lies beside it.
const START: &str = r#"#!/bin/sh
here=$(dirname "$0")
exec "$here/LOADER" --library-path "LIBRARIES" "$here/redis-server" "$@"
"#;

/// The version that was asked for.
pub(super) fn wanted() -> Option<String> {
    workspace::setting("TEST_REDIS_VERSION")
}

/// The server of a version, made at first use.
///
/// # Panics
/// When there is no such version, or it can't be had, with how to get it.
pub(super) fn binary(version: &str) -> PathBuf {
    let known = RELEASES.map(|release| release.name).join("`, `");
    let release = RELEASES.iter().find(|release| release.name == version);
    let release = release.unwrap_or_else(|| panic!("TEST_REDIS_VERSION is `{version}`; there are `{known}`"));
    make(release).unwrap_or_else(|error| {
        panic!(
            "no {version} to test with: {error}\nIt comes out of Debian's packages ({MIRROR}, {}): that needs apt-get and dpkg-deb, \
             {KEYRING} (package debian-archive-keyring), and a way to the mirror. Elsewhere, start such a server and name it \
             by TEST_REDIS_URL.",
            release.suite
        )
    })
}

fn make(release: &Release) -> Result<PathBuf, String> {
    let folder = workspace::target().join("servers").join(release.name);
    let start = folder.join("start");
    let _lock = workspace::lock(release.name);
    if start.exists() {
        return Ok(start);
    }
    if !Path::new(KEYRING).exists() {
        return Err(format!("{KEYRING} isn't there"));
    }
    // A half-made one is made again.
    let gone = fs::remove_dir_all(&folder);
    gone.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }).map_err(text)?;
    let apt = folder.join("apt");
    fs::create_dir_all(apt.join("lists/partial")).map_err(text)?;
    fs::create_dir_all(apt.join("cache/archives/partial")).map_err(text)?;
    fs::write(apt.join("status"), "").map_err(text)?;
    fs::write(apt.join("sources.list"), format!("deb [signed-by={KEYRING}] {MIRROR} {} main\n", release.suite))
        .map_err(text)?;
    run(apt_get(&apt).arg("update"))?;
    // With an empty status it brings everything the program needs, down to the C library.
    let download = ["--yes", "--no-install-recommends", "--download-only", "install", release.package];
    run(apt_get(&apt).args(download))?;
    for package in entries(&apt.join("cache/archives"))?.iter().filter(|path| is(path, "deb")) {
        run(Command::new("dpkg-deb").arg("--extract").arg(package).arg(&folder))?;
    }
    fs::remove_dir_all(&apt).map_err(text)?;

    copy_program(&folder.join("usr/bin").join(release.program), &folder.join("redis-server")).map_err(text)?;
    let mut libraries = Vec::new();
    for parent in ["lib", "usr/lib"].map(|parent| folder.join(parent)) {
        libraries.extend(entries(&parent)?.into_iter().filter(|path| path.is_dir()));
    }
    let is_loader = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ld-linux")) && !path.is_symlink()
    };
    let files = libraries.iter().map(|folder| entries(folder)).collect::<Result<Vec<_>, _>>()?.concat();
    let loader = files.into_iter().find(is_loader).ok_or("the packages brought no loader")?;
    let inside = |path: &Path| path.strip_prefix(&folder).unwrap_or(path).display().to_string();
    let path: Vec<_> = libraries.iter().map(|folder| format!("$here/{}", inside(folder))).collect();
    let script = START.replace("LOADER", &inside(&loader)).replace("LIBRARIES", &path.join(":"));
    // Last, and in one step: where it stands, all is there.
    let (written, new) = (folder.join("start.text"), folder.join("start.new"));
    fs::write(&written, script).map_err(text)?;
    copy_program(&written, &new).map_err(text)?;
    // `Redis server v=8.0.2 sha=…`
    let said = run(Command::new(&new).arg("--version"))?;
    let number = release.name.rsplit('-').next().unwrap_or_default();
    if !said.contains(&format!(" v={number}.")) {
        return Err(format!("Debian's {} brings another version now: {said}", release.suite));
    }
    fs::rename(&new, &start).map_err(text)?;
    Ok(start)
}

/// An apt that knows nothing of this machine's packages, and leaves them alone.
fn apt_get(state: &Path) -> Command {
    let mut command = Command::new("apt-get");
    let places = [
        ("Dir::State", ""),
        ("Dir::State::lists", "lists"),
        ("Dir::State::status", "status"),
        ("Dir::Cache", "cache"),
        ("Dir::Etc::sourcelist", "sources.list"),
        ("Dir::Etc::sourceparts", "none"),
        ("Dir::Etc::preferencesparts", "none"),
    ];
    for (name, place) in places {
        command.arg("-o").arg(format!("{name}={}", state.join(place).display()));
    }
    // The sandbox's user may not be able to write here; and nobody else uses this state.
    command.args(["-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1", "-o", "Acquire::Retries=3"]);
    command
}

fn run(command: &mut Command) -> Result<String, String> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(said) } else { Err(format!("{command:?} failed:\n{said}")) }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| entry.map(|entry| entry.path()).map_err(text)).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("{}: {error}", folder.display())),
    }
}

fn is(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn text(error: io::Error) -> String {
    error.to_string()
}
