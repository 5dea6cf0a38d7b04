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

use std::collections::BTreeMap;
use std::env;
use std::future::pending;
use std::path::Path;
use std::pin::Pin;
use std::process::ExitCode;

use clap::ArgMatches;
use tokio::sync::mpsc;

use self::build::{Build, Built};
use self::files::Changes;
use self::plan::{Action, Event, Plan};
use super::broker_choice::BrokerChoice;
use super::child::{Child, Code, Tell, Told};
use super::signals::Signals;
use super::{Failure, Package, commands, output};

/// Watches until it is told to stop, or the first worker ends before it is ready.
pub(super) async fn watch(
    given: &ArgMatches,
    (package, folder): (&Package, &Path),
    mut signals: Signals,
) -> Result<ExitCode, Failure> {
    if BrokerChoice::of(given)?.in_memory().is_some() {
        return Err(Failure::Usage(
            "`--watch` starts workers as processes of their own, and `memory:` is one process only: use a Redis, or a file \
             (sqlite:PATH)"
                .to_owned(),
        ));
    }
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

    let (told, mut events) = mpsc::unbounded_channel();
    let tell = Tell { told, counted: None };
    let mut children: BTreeMap<u32, Child> = BTreeMap::new();
    let mut building: Option<Building<'_>> = None;
    let (mut plan, mut actions) = Plan::new(package.name, first);
    loop {
        for action in actions {
            match action {
                Action::Build => building = Some(Box::pin(build::build(package))),
                Action::Abort => building = None,
                Action::Start(number, build) => {
                    match Child::start(number, &build.program, &[commands::WATCH], &[], tell.clone()) {
                        Ok(child) => drop(children.insert(number, child)),
                        Err(error) => {
                            tracing::error!(target: "common::watch", "cannot start {}: {error}", build.program.display());
                            let _ = tell.told.send((number, Told::Ended(Code::NotStarted)));
                        }
                    }
                }
                Action::Stop(number) => {
                    if let Some(child) = children.get_mut(&number) {
                        child.signal().await;
                    }
                }
                Action::Forget(number) => drop(children.remove(&number)),
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
