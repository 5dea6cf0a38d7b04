//! What the watcher does when: plain data, events in, actions out.
//!
//! There is at most one worker of each kind: one that runs messages, one that starts, one that drains. A build may run
//! beside all of them; its worker starts when nobody drains any more.

use super::build::{Build, Built};
use super::child::Code;

/// What the watcher knows.
#[derive(Debug)]
pub(super) struct Plan {
    /// The experiment.
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
    /// A worker is about to fetch.
    Ready(u32),
    /// A worker has ended.
    Ended(u32, Code),
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
            Event::Ready(number) => self.ready(number, &mut actions),
            Event::Ended(number, code) => {
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
                        format!(
                            "{built}; it starts when the build of {} has ended what it runs",
                            old.build.time
                        )
                    }
                    _ => format!("{built}; starting"),
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
            actions.push(Warn(format!(
                "the new worker ended before it was ready ({code}); {}",
                self.still()
            )));
        } else if let Some(worker) = self.current.take_if(is_it) {
            if code == Code::Number(0) {
                // Somebody else stopped it, and meant it.
                actions.push(Say("the worker was stopped".to_owned()));
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
            self.starting = Some(Worker {
                number: self.started,
                build,
            });
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
mod tests {
    use std::time::Duration;

    use super::*;

    fn built(time: &str) -> Event {
        Event::Built(Built::Done {
            build: Build::for_test(time),
            took: Duration::from_millis(840),
            warnings: String::new(),
        })
    }

    fn failed() -> Event {
        Event::Built(Built::Failed("error: expected `;`".to_owned()))
    }

    fn changed() -> Event {
        Event::Changed("src/main.rs".to_owned())
    }

    fn ended(number: u32) -> Event {
        Event::Ended(number, Code::Number(0))
    }

    /// A plan after these events, and what the last one led to, in short.
    fn after(events: impl IntoIterator<Item = Event>) -> (Plan, Vec<String>) {
        let (mut plan, mut actions) = Plan::new("e02", Build::for_test("12:00:01"));
        for event in events {
            actions = plan.on(event);
        }
        let short = actions.into_iter().filter_map(|action| match action {
            Say(text) | Warn(text) => Some(text),
            Action::Show(text) if text.is_empty() => None,
            Action::Show(text) => Some(format!("show {text}")),
            Action::Start(number, build) => Some(format!("start {number} of {}", build.time)),
            Action::Forget(_) | Action::Abort => None,
            other => Some(format!("{other:?}")),
        });
        let short = short.collect();
        (plan, short)
    }

    #[test]
    fn it_starts_with_the_build_that_it_is_itself() {
        assert_eq!(after([]).1, ["start 1 of 12:00:01"]);
        assert!(after([Event::Ready(1)]).1.is_empty());
    }

    #[test]
    fn the_old_worker_stops_when_the_new_one_is_ready() {
        let mut events = vec![Event::Ready(1), changed()];
        assert_eq!(
            after([Event::Ready(1), changed()]).1,
            ["src/main.rs changed; building", "Build"]
        );
        events.push(built("12:00:07"));
        assert_eq!(
            after([Event::Ready(1), changed(), built("12:00:07")]).1,
            ["built in 0.8 s; starting", "start 2 of 12:00:07"]
        );
        events.push(Event::Ready(2));
        assert_eq!(
            after(events).1,
            [
                "the build of 12:00:07 runs; that of 12:00:01 ends what it has begun",
                "Stop(1)"
            ]
        );
        let (_, said) = after([Event::Ready(1), changed(), built("12:00:07"), Event::Ready(2), ended(1)]);
        assert_eq!(said, ["the build of 12:00:01 has ended"]);
    }

    #[test]
    fn nothing_happens_when_cargo_made_nothing_new() {
        let (plan, said) = after([Event::Ready(1), changed(), built("12:00:01")]);
        assert_eq!(said, ["nothing new in e02; the build of 12:00:01 still runs"]);
        assert!(plan.starting.is_none());
    }

    #[test]
    fn a_build_error_is_shown_and_the_old_build_still_runs() {
        assert_eq!(
            after([Event::Ready(1), changed(), failed()]).1,
            [
                "show error: expected `;`",
                "the build failed; the build of 12:00:01 still runs"
            ]
        );
    }

    #[test]
    fn a_new_worker_that_dies_leaves_the_old_one_alone() {
        let (plan, said) = after([
            Event::Ready(1),
            changed(),
            built("12:00:07"),
            Event::Ended(2, Code::Number(2)),
        ]);
        assert_eq!(
            said,
            ["the new worker ended before it was ready (exit code 2); the build of 12:00:01 still runs"]
        );
        assert!(plan.current.is_some() && plan.draining.is_none());
    }

    #[test]
    fn changes_during_a_build_lead_to_one_more() {
        let busy = || vec![Event::Ready(1), changed(), changed(), changed()];
        assert!(after(busy()).1.is_empty());
        let mut events = busy();
        events.push(failed());
        assert_eq!(after(events).1.last().unwrap(), "Build");
    }

    #[test]
    fn only_one_worker_drains_at_a_time() {
        let twice = || {
            vec![
                Event::Ready(1),
                changed(),
                built("12:00:07"),
                Event::Ready(2),
                changed(),
                built("12:00:09"),
            ]
        };
        assert_eq!(
            after(twice()).1,
            ["built in 0.8 s; it starts when the build of 12:00:01 has ended what it runs"]
        );
        let mut events = twice();
        events.push(ended(1));
        assert_eq!(
            after(events).1,
            ["the build of 12:00:01 has ended", "start 3 of 12:00:09"]
        );
    }

    #[test]
    fn the_first_worker_decides_whether_watching_makes_sense() {
        assert_eq!(after([Event::Ended(1, Code::Number(3))]).1[0], "End(3)");
    }

    #[test]
    fn a_worker_that_dies_is_started_again() {
        let (_, said) = after([Event::Ready(1), Event::Ended(1, Code::Signal(9))]);
        assert_eq!(
            said,
            [
                "the worker ended by itself (signal 9); starting it again",
                "start 2 of 12:00:01"
            ]
        );
    }

    #[test]
    fn signals_are_passed_on_and_their_outcome_is_the_exit_code() {
        let draining = || vec![Event::Ready(1), changed(), built("12:00:07"), Event::Ready(2)];
        let told = |signals: usize, ends: Vec<Event>| {
            let mut events = draining();
            events.extend((0..signals).map(|_| Event::Signal));
            events.extend(ends);
            after(events).1
        };
        assert_eq!(told(1, vec![]), ["Stop(2)"]);
        assert_eq!(told(2, vec![]), ["Stop(2)", "Stop(1)"]);
        assert!(told(1, vec![ended(2)]).is_empty());
        assert_eq!(told(1, vec![ended(2), ended(1)]), ["End(0)"]);
        assert_eq!(told(2, vec![ended(2), Event::Ended(1, Code::Number(1))]), ["End(1)"]);
        assert_eq!(told(3, vec![])[0], "End(1)");
    }
}
