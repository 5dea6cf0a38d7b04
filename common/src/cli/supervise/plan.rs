//! What the supervisor does when: plain data, events in, actions out.
//!
//! There is a place for each worker. Its worker starts, runs, and is replaced when it has ended by itself, at once the first time and
//! later the more often that happens; or when it says that it has run enough, by one that is ready before the old one stops.

use std::time::Duration;

use super::super::child::{Code, Told};

/// How long the first wait is before a worker is started again, which has ended before it ran for [`SETTLED`].
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// How long such a wait is at most.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// A worker that ran for so long is started again at once.
pub(super) const SETTLED: Duration = Duration::from_secs(60);

/// What the supervisor knows.
#[derive(Debug)]
pub(super) struct Plan {
    places: Vec<Place>,
    /// Workers that end what they have begun, and whose place another one has.
    draining: Vec<u32>,
    /// Workers are numbered in the order of their start.
    started: u32,
    /// Whether all were ready once.
    was_ready: bool,
    /// How often the supervisor was told to stop.
    signals: u32,
    /// The exit code.
    code: u8,
}

/// Where one worker belongs.
#[derive(Debug, Default)]
struct Place {
    current: Option<Worker>,
    /// Takes the place of the current one when it is ready.
    next: Option<u32>,
    /// How often in a row its worker ended before it ran for [`SETTLED`].
    failures: u32,
}

#[derive(Clone, Copy, Debug)]
struct Worker {
    number: u32,
    is_ready: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A worker, by its number, tells something of itself; and how long ago it was started.
    Told(u32, Told, Duration),
    /// It is time to start the worker of a place again.
    Due(usize),
    /// Ctrl-C, or its like.
    Signal,
}

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Start a worker under this number, for this place.
    Start(u32, usize),
    /// Start the worker of this place later.
    Wait(usize, Duration),
    /// Pass a signal on.
    Stop(u32),
    /// A worker has ended.
    Forget(u32),
    /// All are ready.
    Ready,
    /// A line for the log.
    Say(String),
    /// A line for the log, about something that is not as it should be.
    Warn(String),
    /// End, with this exit code.
    End(u8),
}

use Action::{Say, Warn};

impl Plan {
    /// Starts as many workers.
    pub(super) fn new(processes: usize) -> (Self, Vec<Action>) {
        let places = std::iter::repeat_with(Place::default).take(processes).collect();
        let mut plan = Self { places, draining: Vec::new(), started: 0, was_ready: false, signals: 0, code: 0 };
        let mut actions = Vec::new();
        for place in 0..processes {
            plan.start(place, &mut actions);
        }
        (plan, actions)
    }

    /// What is to be done after `event`.
    pub(super) fn on(&mut self, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Told(number, Told::Ready, _) => self.ready(number, &mut actions),
            Event::Told(number, Told::Retires, _) => self.retires(number, &mut actions),
            // That changes nothing of what is to be done.
            Event::Told(_, Told::Counted(_), _) => {}
            Event::Told(number, Told::Ended(code), ran) => {
                actions.push(Action::Forget(number));
                self.ended(number, code, ran, &mut actions);
            }
            Event::Due(place) => {
                if self.signals == 0 && self.places[place].current.is_none() {
                    self.start(place, &mut actions);
                }
            }
            Event::Signal => self.signal(&mut actions),
        }
        if self.signals > 0 && self.running().next().is_none() {
            actions.push(Action::End(self.code));
        }
        actions
    }

    fn start(&mut self, place: usize, actions: &mut Vec<Action>) {
        self.started += 1;
        self.places[place].current = Some(Worker { number: self.started, is_ready: false });
        actions.push(Action::Start(self.started, place));
    }

    fn ready(&mut self, number: u32, actions: &mut Vec<Action>) {
        for place in &mut self.places {
            if place.next == Some(number) {
                place.next = None;
                if let Some(old) = place.current.replace(Worker { number, is_ready: true }) {
                    actions.push(Action::Stop(old.number));
                    self.draining.push(old.number);
                }
            } else if let Some(worker) = place.current.as_mut().filter(|worker| worker.number == number) {
                worker.is_ready = true;
            }
        }
        let all = self.places.iter().all(|place| place.current.is_some_and(|worker| worker.is_ready));
        if all && !self.was_ready {
            self.was_ready = true;
            actions.push(Action::Ready);
        }
    }

    /// A worker that has run enough goes on until another one is ready.
    fn retires(&mut self, number: u32, actions: &mut Vec<Action>) {
        let is_it = |place: &&mut Place| place.current.is_some_and(|worker| worker.number == number);
        if self.signals > 0 {
            return;
        }
        if let Some((at, place)) = self.places.iter_mut().enumerate().find(|(_, place)| is_it(place))
            && place.next.is_none()
        {
            self.started += 1;
            place.next = Some(self.started);
            actions.push(Say(format!("worker {number} has run enough; worker {} takes its place", self.started)));
            actions.push(Action::Start(self.started, at));
        }
    }

    fn ended(&mut self, number: u32, code: Code, ran: Duration, actions: &mut Vec<Action>) {
        let is_clean = code == Code::Number(0);
        let is_draining = self.draining.contains(&number);
        self.draining.retain(|other| *other != number);
        let found = self.places.iter_mut().enumerate().find(|(_, place)| place.has(number));
        if self.signals > 0 {
            if let Some((_, place)) = found {
                place.forget(number);
            }
            if !is_clean {
                self.code = self.code.max(1);
            }
            return;
        }
        let Some((at, place)) = found else {
            if is_draining && !is_clean {
                actions.push(Warn(format!("worker {number} did not end cleanly: {code}")));
            }
            return;
        };
        let was_next = place.next == Some(number);
        place.forget(number);
        if !self.was_ready {
            // Nothing ran yet, so whatever is wrong is wrong from the start.
            actions.push(Warn(format!("worker {number} ended before all were ready: {code}")));
            self.code = if is_clean { 0 } else { code.as_u8() };
            self.signal(actions);
            return;
        }
        if was_next {
            actions.push(Warn(format!("worker {number} ended before it was ready: {code}; the one before it goes on")));
            return;
        }
        // The one that was to take its place does so now.
        if let Some(next) = place.next.take() {
            place.current = Some(Worker { number: next, is_ready: false });
            return;
        }
        let wait = place.wait(ran);
        let when = if wait.is_zero() { "now".to_owned() } else { format!("in {} s", wait.as_secs()) };
        actions.push(Warn(format!("worker {number} has ended ({code}); another one takes its place {when}")));
        if wait.is_zero() {
            self.start(at, actions);
        } else {
            actions.push(Action::Wait(at, wait));
        }
    }

    fn signal(&mut self, actions: &mut Vec<Action>) {
        self.signals += 1;
        if self.signals > 2 {
            actions.push(Action::End(1));
            return;
        }
        // Those that drain have had their first signal.
        let places = self.places.iter().flat_map(Place::workers);
        let draining = self.draining.iter().copied().filter(|_| self.signals > 1);
        actions.extend(places.chain(draining).map(Action::Stop));
    }

    /// All workers that have not ended.
    fn running(&self) -> impl Iterator<Item = u32> {
        self.places.iter().flat_map(Place::workers).chain(self.draining.iter().copied())
    }
}

impl Place {
    fn workers(&self) -> impl Iterator<Item = u32> + use<> {
        self.current.map(|worker| worker.number).into_iter().chain(self.next)
    }

    fn has(&self, number: u32) -> bool {
        self.workers().any(|other| other == number)
    }

    fn forget(&mut self, number: u32) {
        self.current.take_if(|worker| worker.number == number);
        self.next.take_if(|next| *next == number);
    }

    /// How long to wait until its worker is started again, which ran for so long.
    fn wait(&mut self, ran: Duration) -> Duration {
        if ran >= SETTLED {
            self.failures = 0;
        }
        let failures = self.failures;
        self.failures += 1;
        match failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_WAIT.saturating_mul(1 << doublings.min(10)).min(LONGEST_WAIT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(2);

    fn ready(number: u32) -> Event {
        Event::Told(number, Told::Ready, SOON)
    }

    fn died(number: u32) -> Event {
        Event::Told(number, Told::Ended(Code::Signal(9)), SOON)
    }

    fn ended(number: u32) -> Event {
        Event::Told(number, Told::Ended(Code::Number(0)), SOON)
    }

    /// What the last of these events leads to, where two workers are to run.
    fn after(events: impl IntoIterator<Item = Event>) -> Vec<String> {
        let (mut plan, mut actions) = Plan::new(2);
        for event in events {
            actions = plan.on(event);
        }
        let short = actions.into_iter().filter_map(|action| match action {
            Say(text) | Warn(text) => Some(text),
            Action::Forget(_) => None,
            other => Some(format!("{other:?}")),
        });
        short.collect()
    }

    fn after_both(events: impl IntoIterator<Item = Event>) -> Vec<String> {
        after([ready(1), ready(2)].into_iter().chain(events))
    }

    #[test]
    fn it_is_ready_when_all_are() {
        assert_eq!(after([]), ["Start(1, 0)", "Start(2, 1)"]);
        assert!(after([ready(2)]).is_empty());
        assert_eq!(after([ready(2), ready(1)]), ["Ready"]);
    }

    #[test]
    fn one_that_dies_is_replaced_at_once_and_later_with_a_growing_wait() {
        let now = "worker 1 has ended (signal 9); another one takes its place now";
        assert_eq!(after_both([died(1)]), [now, "Start(3, 0)"]);
        let again = [died(1), ready(3), died(3)];
        assert_eq!(
            after_both(again),
            ["worker 3 has ended (signal 9); another one takes its place in 1 s", "Wait(0, 1s)"]
        );
        let third = [died(1), died(3), Event::Due(0), died(4)];
        assert_eq!(after_both(third)[1], "Wait(0, 2s)");
        let (mut place, mut waits) = (Place::default(), Vec::new());
        waits.extend((0..8).map(|_| place.wait(SOON).as_secs()));
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(place.wait(SETTLED), Duration::ZERO);
    }

    #[test]
    fn one_that_somebody_else_stopped_is_replaced() {
        assert_eq!(after_both([ended(2)])[1], "Start(3, 1)");
    }

    #[test]
    fn what_is_wrong_from_the_start_ends_all() {
        let wrong = || Event::Told(1, Told::Ended(Code::Number(3)), SOON);
        assert_eq!(after([wrong()]), ["worker 1 ended before all were ready: exit code 3", "Stop(2)"]);
        assert_eq!(after([wrong(), ended(2)]), ["End(3)"]);
    }

    #[test]
    fn one_that_has_run_enough_goes_on_until_the_next_one_is_ready() {
        let retires = || Event::Told(1, Told::Retires, SOON);
        assert_eq!(after_both([retires()]), ["worker 1 has run enough; worker 3 takes its place", "Start(3, 0)"]);
        assert!(after_both([retires(), retires()]).is_empty());
        assert_eq!(after_both([retires(), ready(3)]), ["Stop(1)"]);
        assert!(after_both([retires(), ready(3), ended(1)]).is_empty());
        // Whichever of the two dies, the other one has the place.
        let lost = after_both([retires(), died(3)]);
        assert_eq!(lost, ["worker 3 ended before it was ready: signal 9; the one before it goes on"]);
        assert!(after_both([retires(), died(1)]).is_empty());
    }

    #[test]
    fn signals_are_passed_on_and_the_end_is_waited_for() {
        assert_eq!(after_both([Event::Signal]), ["Stop(1)", "Stop(2)"]);
        assert!(after_both([Event::Signal, ended(1)]).is_empty());
        assert_eq!(after_both([Event::Signal, ended(1), ended(2)]), ["End(0)"]);
        assert_eq!(after_both([Event::Signal, ended(1), died(2)]), ["End(1)"]);
        assert_eq!(after_both([Event::Signal, Event::Signal]), ["Stop(1)", "Stop(2)"]);
        assert_eq!(after_both([Event::Signal, Event::Signal, Event::Signal]), ["End(1)"]);
        // One that waits to be started is not started any more.
        assert!(after_both([died(1), died(3), Event::Signal, Event::Due(0)]).is_empty());
    }

    #[test]
    fn a_second_signal_reaches_those_that_end_what_they_have_begun() {
        let retired = || [Event::Told(1, Told::Retires, SOON), ready(3), Event::Signal];
        assert_eq!(after_both(retired()), ["Stop(3)", "Stop(2)"]);
        assert_eq!(after_both(retired().into_iter().chain([Event::Signal])), ["Stop(3)", "Stop(2)", "Stop(1)"]);
    }
}
