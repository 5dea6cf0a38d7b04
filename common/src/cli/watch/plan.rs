//! What the watcher does when: plain data, events in, actions out.
//!
//! There is at most one worker of each kind: one that runs messages, one that starts, one that drains. A build may run
//! beside all of them; its worker starts when nobody drains any more.

use super::super::child::{Code, Told};
use super::build::{Build, Built};

/// What the watcher knows.
#[derive(Debug)]
pub(super) struct Plan {
    /// The program.
    name: &'static str,
    /// Children are numbered in the order of their start.
    started: u32,
    current: Option<Worker>,
    starting: Option<Worker>,
    draining: Option<Worker>,
    /// A build whose worker has still to be started.
    built: Option<Build>,
    is_building: bool,
    /// What changed since the last build began.
    changed: Option<String>,
    /// Whether any worker was ever ready.
    was_ready: bool,
    /// How often the watcher was told to stop.
    signals: u32,
    /// The exit code.
    code: u8,
}

/// A child.
#[derive(Debug)]
struct Worker {
    number: u32,
    build: Build,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// A file changed, and then nothing for a while.
    Changed(String),
    /// Cargo has ended.
    Built(Built),
    /// A worker, by its number, tells something of itself.
    Told(u32, Told),
    /// Ctrl-C, or its like.
    Signal,
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Action {
    /// Start cargo.
    Build,
    /// Stop cargo.
    Abort,
    /// Start a worker under this number.
    Start(u32, Build),
    /// Pass a signal on: the first one stops gracefully, the second one now.
    Stop(u32),
    /// A worker has ended.
    Forget(u32),
    /// Write this to the terminal as it is.
    Show(String),
    /// A line for the log.
    Say(String),
    /// A line for the log, about something that somebody has to mend.
    Warn(String),
    /// End, with this exit code.
    End(u8),
}

use Action::{Say, Warn};

impl Plan {
    /// Starts with the build that the watcher itself is.
    pub(super) fn new(name: &'static str, first: Build) -> (Self, Vec<Action>) {
        let mut plan = Self {
            name,
            started: 0,
            current: None,
            starting: None,
            draining: None,
            built: Some(first),
            is_building: false,
            changed: None,
            was_ready: false,
            signals: 0,
            code: 0,
        };
        let mut actions = Vec::new();
        plan.go_on(&mut actions);
        (plan, actions)
    }

    /// What is to be done after `event`.
    pub(super) fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Changed(file) => drop(self.changed.get_or_insert(file)),
            Event::Built(built) => {
                self.is_building = false;
                self.built(built, &mut actions);
            }
            Event::Told(number, Told::Ready) => self.ready(number, &mut actions),
            // It goes on until it is stopped: a watcher's worker is replaced when its sources change.
            Event::Told(_, Told::Retires | Told::Counted(_)) => {}
            Event::Told(number, Told::Ended(code)) => {
                actions.push(Action::Forget(number));
                self.ended(number, code, &mut actions);
            }
            Event::Signal => self.signal(&mut actions),
        }
        self.go_on(&mut actions);
        actions
    }

    fn built(&mut self, built: Built, actions: &mut Vec<Action>) {
        match built {
            Built::Failed(text) => {
                actions.push(Action::Show(text));
                actions.push(Warn(format!("the build failed; {}", self.still())));
            }
            Built::Done { build, .. } if self.newest() == Some(&build) => {
                actions.push(Say(format!("nothing new in {}; {}", self.name, self.still())));
            }
            Built::Done { build, took, warnings } => {
                actions.push(Action::Show(warnings));
                let built = format!("built in {:.1} s", took.as_secs_f64());
                actions.push(Say(match (&self.current, &self.draining) {
                    (Some(_), Some(old)) => {
                        format!("{built}; it starts when the build of {} has ended what it runs", old.build.time)
                    }
                    _ => format!("{built}; starting it"),
                }));
                self.built = Some(build);
            }
        }
    }

    fn ready(&mut self, number: u32, actions: &mut Vec<Action>) {
        let Some(new) = self.starting.take_if(|worker| worker.number == number) else {
            return;
        };
        self.was_ready = true;
        if let Some(old) = self.current.take() {
            actions.push(Say(format!(
                "the build of {} runs; that of {} ends what it has begun",
                new.build.time, old.build.time
            )));
            actions.push(Action::Stop(old.number));
            self.draining = Some(old);
        }
        self.current = Some(new);
    }

    fn ended(&mut self, number: u32, code: Code, actions: &mut Vec<Action>) {
        let is_it = |worker: &mut Worker| worker.number == number;
        if self.signals > 0 {
            for worker in [&mut self.current, &mut self.starting, &mut self.draining] {
                worker.take_if(is_it);
            }
            if code != Code::Number(0) {
                self.code = 1;
            }
        } else if let Some(old) = self.draining.take_if(is_it) {
            actions.push(match code {
                Code::Number(0) => Say(format!("the build of {} has ended", old.build.time)),
                code => Warn(format!("the build of {} was not ended cleanly: {code}", old.build.time)),
            });
        } else if self.starting.take_if(is_it).is_some() {
            if self.current.is_none() && !self.was_ready {
                actions.push(Action::End(code.as_u8()));
            }
            actions.push(Warn(format!("the new worker ended before it was ready ({code}); {}", self.still())));
        } else if let Some(worker) = self.current.take_if(is_it) {
            if code == Code::Number(0) {
                actions.push(Say("somebody else stopped the worker".to_owned()));
                self.signal(actions);
            } else {
                actions.push(Warn(format!("the worker ended by itself ({code}); starting it again")));
                if self.starting.is_none() {
                    self.built.get_or_insert(worker.build);
                }
            }
        }
    }

    fn signal(&mut self, actions: &mut Vec<Action>) {
        self.signals += 1;
        if self.signals > 2 {
            actions.push(Action::End(1));
        }
        // One that drains has had its first signal.
        let draining = self.draining.as_ref().filter(|_| self.signals > 1);
        let workers = [self.current.as_ref(), self.starting.as_ref(), draining];
        if self.signals == 1 {
            actions.push(Say("shutting down: waiting for running messages; Ctrl-C again requeues them".to_owned()));
        }
        actions.push(Action::Abort);
        actions.extend(workers.into_iter().flatten().map(|worker| Action::Stop(worker.number)));
    }

    /// Begins whatever can begin now.
    fn go_on(&mut self, actions: &mut Vec<Action>) {
        if self.signals > 0 {
            if self.current.is_none() && self.starting.is_none() && self.draining.is_none() {
                actions.push(Action::End(self.code));
            }
            return;
        }
        // The one that runs now will drain as soon as the new one is ready, and only one may.
        let has_room = self.draining.is_none() || self.current.is_none();
        if self.starting.is_none()
            && has_room
            && let Some(build) = self.built.take()
        {
            self.started += 1;
            actions.push(Action::Start(self.started, build.clone()));
            self.starting = Some(Worker { number: self.started, build });
        }
        // The outcome of a start decides what a build is compared with, so it is waited for.
        if self.starting.is_none()
            && !self.is_building
            && let Some(file) = self.changed.take()
        {
            self.is_building = true;
            actions.push(Say(format!("{file} changed; building")));
            actions.push(Action::Build);
        }
    }

    /// The newest build that runs, or will.
    fn newest(&self) -> Option<&Build> {
        let worker = self.starting.as_ref().or(self.current.as_ref());
        self.built.as_ref().or(worker.map(|worker| &worker.build))
    }

    fn still(&self) -> String {
        match &self.current {
            Some(worker) => format!("the build of {} still runs", worker.build.time),
            None => "no worker runs until the next change".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
