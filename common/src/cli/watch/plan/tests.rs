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
    Event::Told(number, Told::Ended(Code::Number(0)))
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
    assert!(after([Event::Told(1, Told::Ready)]).1.is_empty());
}

#[test]
fn the_old_worker_stops_when_the_new_one_is_ready() {
    let mut events = vec![Event::Told(1, Told::Ready), changed()];
    assert_eq!(after([Event::Told(1, Told::Ready), changed()]).1, ["src/main.rs changed; building", "Build"]);
    events.push(built("12:00:07"));
    assert_eq!(
        after([Event::Told(1, Told::Ready), changed(), built("12:00:07")]).1,
        ["built in 0.8 s; starting it", "start 2 of 12:00:07"]
    );
    events.push(Event::Told(2, Told::Ready));
    assert_eq!(after(events).1, ["the build of 12:00:07 runs; that of 12:00:01 ends what it has begun", "Stop(1)"]);
    let (_, said) =
        after([Event::Told(1, Told::Ready), changed(), built("12:00:07"), Event::Told(2, Told::Ready), ended(1)]);
    assert_eq!(said, ["the build of 12:00:01 has ended"]);
}

#[test]
fn nothing_happens_when_cargo_made_nothing_new() {
    let (plan, said) = after([Event::Told(1, Told::Ready), changed(), built("12:00:01")]);
    assert_eq!(said, ["nothing new in e02; the build of 12:00:01 still runs"]);
    assert!(plan.starting.is_none());
}

#[test]
fn a_build_error_is_shown_and_the_old_build_still_runs() {
    assert_eq!(
        after([Event::Told(1, Told::Ready), changed(), failed()]).1,
        ["show error: expected `;`", "the build failed; the build of 12:00:01 still runs"]
    );
}

#[test]
fn a_new_worker_that_dies_leaves_the_old_one_alone() {
    let (plan, said) = after([
        Event::Told(1, Told::Ready),
        changed(),
        built("12:00:07"),
        Event::Told(2, Told::Ended(Code::Number(2))),
    ]);
    assert_eq!(said, ["the new worker ended before it was ready (exit code 2); the build of 12:00:01 still runs"]);
    assert!(plan.current.is_some() && plan.draining.is_none());
}

#[test]
fn changes_during_a_build_lead_to_one_more() {
    let busy = || vec![Event::Told(1, Told::Ready), changed(), changed(), changed()];
    assert!(after(busy()).1.is_empty());
    let mut events = busy();
    events.push(failed());
    assert_eq!(after(events).1.last().unwrap(), "Build");
}

#[test]
fn only_one_worker_drains_at_a_time() {
    let twice = || {
        vec![
            Event::Told(1, Told::Ready),
            changed(),
            built("12:00:07"),
            Event::Told(2, Told::Ready),
            changed(),
            built("12:00:09"),
        ]
    };
    assert_eq!(after(twice()).1, ["built in 0.8 s; it starts when the build of 12:00:01 has ended what it runs"]);
    let mut events = twice();
    events.push(ended(1));
    assert_eq!(after(events).1, ["the build of 12:00:01 has ended", "start 3 of 12:00:09"]);
}

#[test]
fn the_first_worker_decides_whether_watching_makes_sense() {
    assert_eq!(after([Event::Told(1, Told::Ended(Code::Number(3)))]).1[0], "End(3)");
}

#[test]
fn a_worker_that_dies_is_started_again() {
    let (_, said) = after([Event::Told(1, Told::Ready), Event::Told(1, Told::Ended(Code::Signal(9)))]);
    assert_eq!(said, ["the worker ended by itself (signal 9); starting it again", "start 2 of 12:00:01"]);
}

#[test]
fn signals_are_passed_on_and_their_outcome_is_the_exit_code() {
    let draining = || vec![Event::Told(1, Told::Ready), changed(), built("12:00:07"), Event::Told(2, Told::Ready)];
    let told = |signals: usize, ends: Vec<Event>| {
        let mut events = draining();
        events.extend((0..signals).map(|_| Event::Signal));
        events.extend(ends);
        after(events).1
    };
    assert_eq!(told(1, vec![]), ["shutting down: waiting for running messages; Ctrl-C again requeues them", "Stop(2)"]);
    assert_eq!(told(2, vec![]), ["Stop(2)", "Stop(1)"]);
    assert!(told(1, vec![ended(2)]).is_empty());
    assert_eq!(told(1, vec![ended(2), ended(1)]), ["End(0)"]);
    assert_eq!(told(2, vec![ended(2), Event::Told(1, Told::Ended(Code::Number(1)))]), ["End(1)"]);
    assert_eq!(told(3, vec![])[0], "End(1)");
}
