//! The same drain by apalis-sqlite, in turn with ours: the program in `benches/apalis`.

use std::path::Path;
use std::process::Command;

use tokio::task::block_in_place;

use crate::drain::drain;
use crate::ground::{Place, Setup};
use crate::support::{Failed, table};

/// Its rate falls with the length of the queue, so that a longer one would flatter ours.
const TASKS: usize = 2_000;

pub(crate) async fn measure(setup: &Setup) -> Result<(), Failed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/apalis");
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/apalis");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--release", "--quiet", "--locked", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    if !block_in_place(|| build.arg("--target-dir").arg(&target).status())?.success() {
        return Err("benches/apalis does not build".into());
    }
    let program = target.join("release/apalis_bench");
    let what = format!("drain of {TASKS}, messages/s");
    let theirs = async || block_in_place(|| run(setup, &program));
    table::in_turn(&what, async || drain(setup, TASKS).await, "apalis-sqlite 1.0", theirs).await
}

fn run(setup: &Setup, program: &Path) -> Result<f64, Failed> {
    let place = Place::new(setup)?;
    let ran = Command::new(program).arg(place.file()).arg(TASKS.to_string()).output()?;
    if !ran.status.success() {
        return Err(format!("apalis: {}", String::from_utf8_lossy(&ran.stderr)).into());
    }
    Ok(String::from_utf8(ran.stdout)?.trim().parse()?)
}
