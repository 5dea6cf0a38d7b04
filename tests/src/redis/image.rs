//! Which image the container is made from, and how to make one where none can be pulled.
//!
//! An image needs no base and no builder: a folder with redis-server, a shell, two small tools and exactly the libraries that these
//! name, as `ldd` lists them, sent to the engine as a tar. It is tagged by what is in it, so the next test process finds it.

use crate::workspace;
use futures_util::TryStreamExt;
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use testcontainers::{
    bollard::{
        self, Docker,
        query_parameters::{CreateImageOptionsBuilder, TagImageOptionsBuilder},
    },
    core::client,
};

/// What people can pull: the current major version, small.
const DEFAULT: &str = "redis:8-alpine";

/// The name of images made here.
const MADE: &str = "dramatiq-lab-redis";

/// Goes up when an image made here changes though the server in it doesn't.
const RECIPE: &str = "1";

/// The Docker engine, as testcontainers finds it.
pub(super) struct Engine(Docker);

impl Engine {
    /// An engine that answers.
    pub(super) async fn connect() -> Result<Self, String> {
        let engine = client::docker_client_instance().await.map_err(|error| error.to_string())?;
        engine.ping().await.map_err(|error| format!("no Docker engine answers: {error}"))?;
        Ok(Self(engine))
    }

    async fn has(&self, image: &str) -> Result<bool, String> {
        match self.0.inspect_image(image).await {
            Ok(_) => Ok(true),
            Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
            Err(error) => Err(format!("the engine can't look for {image}: {error}")),
        }
    }

    async fn import(&self, image: &str, tar: Vec<u8>) -> Result<(), String> {
        let options = CreateImageOptionsBuilder::new().from_src("-").repo(image).build();
        let done = self.0.create_image(Some(options), Some(bollard::body_full(tar.into())), None);
        done.try_for_each(async |_| Ok(())).await.map_err(|error| format!("the engine doesn't import it: {error}"))?;
        let latest = TagImageOptionsBuilder::new().repo(MADE).tag("latest").build();
        let tagged = self.0.tag_image(image, Some(latest)).await;
        tagged.map_err(|error| format!("the engine doesn't tag it: {error}"))
    }
}

/// The image to use where it can be had.
pub(super) fn wanted() -> String {
    workspace::setting("TEST_REDIS_IMAGE").unwrap_or_else(|| DEFAULT.to_owned())
}

/// An image that is there: the wanted one, or, when nobody asked for a certain one, the one that was made here before.
pub(super) async fn local(engine: &Engine, wanted: &str) -> Result<Option<String>, String> {
    if engine.has(wanted).await? {
        return Ok(Some(wanted.to_owned()));
    }
    if workspace::setting("TEST_REDIS_IMAGE").is_some() || !engine.has(&latest()).await? {
        return Ok(None);
    }
    let made = tag(&source()?)?;
    Ok(engine.has(&made).await?.then_some(made))
}

/// Makes an image out of this machine's redis-server, unless it is there.
pub(super) async fn make(engine: &Engine) -> Result<String, String> {
    let server = source()?;
    let image = tag(&server)?;
    // Two test processes that start at once make it once.
    let _lock = workspace::lock("redis-image");
    if !engine.has(&image).await? {
        let tar = tree(&server).and_then(|tree| pack(tree.path()))?;
        engine.import(&image, tar).await?;
    }
    Ok(image)
}

/// Says whether any image was made here, without having to find the server first.
fn latest() -> String {
    format!("{MADE}:latest")
}

fn source() -> Result<PathBuf, String> {
    // The virtual environment is made by panicking code, as everything in the kit.
    std::panic::catch_unwind(super::binary).map_err(|panic| super::reason(Some(panic)))
}

/// Named after the server's version, and by a fingerprint of its build.
fn tag(server: &Path) -> Result<String, String> {
    let build = run(Command::new(server).arg("--version"))?;
    let version = build.split_whitespace().find_map(|word| word.strip_prefix("v=")).unwrap_or("unknown");
    Ok(format!("{MADE}:{version}-{}", workspace::fingerprint(&format!("{RECIPE} {build}"))))
}

/// Collects what the image consists of.
fn tree(server: &Path) -> Result<TempDir, String> {
    let tree = tempfile::tempdir().map_err(|error| format!("no temporary folder: {error}"))?;
    let root = tree.path();
    add(root, server, "usr/bin/redis-server")?;
    let client = workspace::on_path("redis-cli");
    if let Some(client) = &client {
        add(root, client, "usr/bin/redis-cli")?;
    }
    // The container's command needs a client, or a shell that can speak TCP.
    let shell = workspace::on_path("bash").or_else(|| client.and_then(|_| workspace::on_path("sh")));
    add(root, &shell.ok_or("bash or redis-cli is needed for it, and neither is on PATH")?, "bin/sh")?;
    for tool in ["cat", "sleep"] {
        let path = workspace::on_path(tool).ok_or_else(|| format!("`{tool}` isn't on PATH"))?;
        add(root, &path, &format!("bin/{tool}"))?;
    }
    fs::create_dir_all(root.join("tmp")).map_err(|error| error.to_string())?;
    Ok(tree)
}

/// Copies a program into the tree, and the libraries it names to where it looks for them.
fn add(tree: &Path, program: &Path, to: &str) -> Result<(), String> {
    copy(program, &tree.join(to))?;
    // Lines such as `libm.so.6 => /lib/libm.so.6 (0x…)`, and `/lib64/ld-linux.so.2 (0x…)` for the loader.
    let listed = run(Command::new("ldd").arg(program)).or_else(|error| {
        // A static program has none; ldd says so, and fails.
        if error.contains("not a dynamic executable") { Ok(String::new()) } else { Err(error) }
    })?;
    for library in listed.split_whitespace().filter(|word| word.starts_with('/')) {
        let there = tree.join(library.trim_start_matches('/').trim_end_matches(':'));
        if !there.exists() {
            copy(Path::new(library), &there)?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let copied = || {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        fs::copy(from, to)?;
        fs::set_permissions(to, PermissionsExt::from_mode(0o755))
    };
    copied().map_err(|error: io::Error| format!("{} can't be copied: {error}", from.display()))
}

fn pack(tree: &Path) -> Result<Vec<u8>, String> {
    let mut tar = Command::new("tar");
    // A temporary folder is its owner's only; in the image it is the root.
    tar.args(["--create", "--mode=a+rX", "--file=-", "--directory"]).arg(tree).arg(".");
    let output = tar.output().map_err(|error| format!("`tar` can't be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(output.stdout) } else { Err(format!("tar: {said}")) }
}

fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_owned();
    let output = command.output().map_err(|error| format!("{} can't be started: {error}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(said) } else { Err(format!("{}: {said}{complaint}", program.display())) }
}
