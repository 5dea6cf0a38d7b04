//! `worker --watch DIR`: runs the worker as a child, and hands over to a new one when its sources have changed.
//!
//! ```text
//! files.rs  a file changed ─► build.rs  cargo build ─► a new worker starts ─► is ready ─► the old one stops
//! ```
//!
//! What is to be done when is plain data ([`plan`]); this file carries it out. The old worker runs until the new one is
//! ready, so messages are run all the time; what it had begun it ends under the old build.

mod build;
mod files;
mod plan;

use std::env;
use std::future::pending;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;

use clap::ArgMatches;

use self::build::{Build, Built};
use self::files::Changes;
use self::plan::{Action, Event, Plan};
use super::broker_choice::BrokerChoice;
use super::child::Children;
use super::signals::Signals;
use super::{Failure, Package, commands, output};

/// Watches until it is told to stop, or the first worker ends before it is ready.
pub(super) async fn watch(
    given: &ArgMatches,
    (package, folder): (&Package, &Path),
    mut signals: Signals,
) -> Result<ExitCode, Failure> {
    BrokerChoice::of(given)?.refuse_one_process(commands::WATCH)?;
    tokio::select! {
        biased;
        () = signals.next() => {
            tracing::info!(target: "common::watch", "stopped before it started a worker");
            return Ok(ExitCode::SUCCESS);
        }
        checked = build::check_sources(package) => checked.map_err(Failure::Usage)?,
    }
    let broken = |error: std::io::Error| Failure::Broken(format!("cannot watch: {error}"));
    let notes = Path::new(package.folder).join("README.rst");
    let program = env::current_exe().map_err(broken)?;
    let mut changes = Changes::of(folder, &program, &notes).map_err(Failure::Usage)?;
    let first = Build::of(program).map_err(broken)?;
    tracing::info!(target: "common::watch", "watching {}: when {} changes, its new build takes over", folder.display(), package.name);

    let (mut children, mut events) = Children::new();
    let mut building: Option<Building<'_>> = None;
    let (mut plan, mut actions) = Plan::new(package.name, first);
    loop {
        for action in actions {
            match action {
                Action::Build => building = Some(Box::pin(build::build(package))),
                Action::Abort => building = None,
                Action::Start(number, build) => {
                    if let Err(error) = children.start(number, &build.program, &[commands::WATCH], &[]) {
                        tracing::error!(target: "common::watch", "cannot start {}: {error}", build.program.display());
                    }
                }
                Action::Stop(number) => children.stop(number).await,
                Action::Forget(number) => children.forget(number),
                Action::Show(text) => output::log(&text),
                Action::Say(text) => tracing::info!(target: "common::watch", "{text}"),
                Action::Warn(text) => tracing::warn!(target: "common::watch", "{text}"),
                Action::End(code) => return Ok(ExitCode::from(code)),
            }
        }
        let event = tokio::select! {
            biased;
            () = signals.next() => Event::Signal,
            Some((number, told)) = events.recv() => Event::Told(number, told),
            built = finished(&mut building) => {
                building = None;
                Event::Built(built)
            }
            path = changes.next() => Event::Changed(path),
        };
        actions = plan.on(event);
    }
}

/// A build under way; dropping it stops it.
type Building<'a> = Pin<Box<dyn Future<Output = Built> + 'a>>;

/// Waits for the build, if there is one.
async fn finished(building: &mut Option<Building<'_>>) -> Built {
    match building {
        Some(building) => building.await,
        None => pending().await,
    }
}
