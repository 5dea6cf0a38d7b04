//! `worker --processes N`: runs N workers as children, and sees to it that there are N.
//!
//! What is to be done when is plain data ([`plan`]); this file carries it out. The supervisor itself runs nothing and has no broker.

mod plan;

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;

use clap::ArgMatches;
use tokio::sync::mpsc;

use self::plan::{Action, Event, Plan};
use super::broker_choice::BrokerChoice;
use super::child::{Child, Code, READY, Tell, Told};
use super::signals::Signals;
use super::telemetry::Sum;
use super::{App, Failure, commands, output, runner};
use crate::clock::{Clock, Stopwatch};

/// What its workers are started without.
const OWN: [&str; 2] = [commands::PROCESSES, commands::PROCESS];

/// Supervises until it is told to stop, or its workers cannot start.
pub(super) async fn supervise(
    app: &App,
    given: &ArgMatches,
    processes: u16,
    mut signals: Signals,
) -> Result<ExitCode, Failure> {
    let supervised = runner::listen_if_supervised(given, &signals)?;
    if BrokerChoice::of(given)?.in_memory().is_some() {
        return Err(Failure::Usage(
            "`--processes` starts workers as processes of their own, and `memory:` is one process only: use a Redis, or a file \
             (sqlite:PATH)"
                .to_owned(),
        ));
    }
    let program = env::current_exe().map_err(|error| Failure::Broken(format!("cannot start workers: {error}")))?;
    let (told, mut events) = mpsc::unbounded_channel();
    let (count, mut counted) = mpsc::unbounded_channel();
    let tell = Tell { told, counted: Some(count) };
    let sum = Sum::of(given).await?;
    let (remind, mut due) = mpsc::unbounded_channel();
    let clock = Clock::system();
    let mut children: BTreeMap<u32, (Child, Stopwatch)> = BTreeMap::new();
    let (mut plan, mut actions) = Plan::new(usize::from(processes));
    let mut stops = 0;
    loop {
        for action in actions {
            match action {
                Action::Start(number, place) => {
                    match Child::start(number, &program, &OWN, &arguments(place), tell.clone()) {
                        Ok(child) => drop(children.insert(number, (child, Stopwatch::start()))),
                        Err(error) => {
                            tracing::error!(target: "common::supervisor", "cannot start {}: {error}", program.display());
                            let _ = tell.told.send((number, Told::Ended(Code::NotStarted)));
                        }
                    }
                }
                Action::Wait(place, wait) => {
                    let (remind, clock) = (remind.clone(), clock.clone());
                    tokio::spawn(async move {
                        clock.sleep(wait).await;
                        let _ = remind.send(place);
                    });
                }
                Action::Stop(number) => {
                    if let Some((child, _)) = children.get_mut(&number) {
                        child.signal().await;
                    }
                }
                Action::Forget(number) => {
                    children.remove(&number);
                    sum.ended(number);
                }
                Action::Ready => {
                    sum.ready(app, given).await?;
                    let stops = if supervised { "" } else { "; Ctrl-C stops" };
                    tracing::info!(target: "common::supervisor", "ready: {processes} processes{stops}");
                    if supervised {
                        output::pass_on(READY);
                    }
                }
                Action::Say(text) => tracing::info!(target: "common::supervisor", "{text}"),
                Action::Warn(text) => tracing::warn!(target: "common::supervisor", "{text}"),
                Action::End(code) => return Ok(ExitCode::from(code)),
            }
        }
        // What a worker counted at last was told before its end.
        while let Ok((number, numbers)) = counted.try_recv() {
            sum.told(number, &numbers);
        }
        let event = tokio::select! {
            biased;
            () = signals.next() => {
                stops += 1;
                sum.stops();
                if stops == 1 && !supervised {
                    tracing::info!(target: "common::supervisor", "shutting down; Ctrl-C again requeues running messages");
                }
                Event::Signal
            }
            Some((number, told)) = events.recv() => {
                let ran = children.get(&number).map(|(_, since)| since.elapsed()).unwrap_or_default();
                Event::Told(number, told, ran)
            }
            Some(place) = due.recv() => Event::Due(place),
            Some((number, numbers)) = counted.recv() => {
                sum.told(number, &numbers);
                actions = Vec::new();
                continue;
            }
        };
        actions = plan.on(event);
    }
}

/// What the worker of a place is started with: which place it has.
fn arguments(place: usize) -> [String; 1] {
    [format!("--{}={}", commands::PROCESS, place + 1)]
}
