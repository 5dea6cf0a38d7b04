//! `worker --processes N`: runs N workers as children, and sees to it that there are N.
//!
//! What is to be done when is plain data ([`plan`]); this file carries it out. The supervisor itself runs nothing and has no broker.

mod plan;

use std::env;
use std::process::ExitCode;

use clap::ArgMatches;
use tokio::sync::mpsc;

use self::plan::{Action, Event, Plan};
use super::broker_choice::BrokerChoice;
use super::child::{Children, READY, Told};
use super::signals::Signals;
use super::telemetry::Sum;
use super::{App, Failure, commands, output, runner};
use crate::clock::Clock;

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
    BrokerChoice::of(given)?.refuse_one_process(commands::PROCESSES)?;
    let program = env::current_exe().map_err(|error| Failure::Broken(format!("cannot start workers: {error}")))?;
    let sum = Sum::of(given).await?;
    let (remind, mut due) = mpsc::unbounded_channel();
    let clock = Clock::system();
    let (mut children, mut events) = Children::new();
    let (mut plan, mut actions) = Plan::new(usize::from(processes));
    let mut stops = 0;
    loop {
        for action in actions {
            match action {
                Action::Start(number, place) => {
                    if let Err(error) = children.start(number, &program, &OWN, &arguments(place)) {
                        tracing::error!(target: "common::supervisor", "cannot start {}: {error}", program.display());
                    }
                }
                Action::Wait(place, wait) => {
                    let (remind, clock) = (remind.clone(), clock.clone());
                    tokio::spawn(async move {
                        clock.sleep(wait).await;
                        let _ = remind.send(place);
                    });
                }
                Action::Stop(number) => children.stop(number).await,
                Action::Forget(number) => {
                    children.forget(number);
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
                if let Told::Counted(numbers) = &told {
                    sum.told(number, numbers);
                }
                Event::Told(number, told, children.ran(number))
            }
            Some(place) = due.recv() => Event::Due(place),
        };
        actions = plan.on(event);
    }
}

/// What the worker of a place is started with: which place it has.
fn arguments(place: usize) -> [String; 1] {
    [format!("--{}={}", commands::PROCESS, place + 1)]
}
