//! The demonstration: a script of command lines, run against a worker in the same process, on a store in memory.

use std::collections::BTreeSet;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use super::log::Lines;
use super::{App, Failure, Lesson, Step, broker_choice, commands, own, runner};
use crate::broker::Broker;
use crate::clock::Clock;
use crate::queue_name::QueueName;

/// Two slots are enough to see which of them takes what.
const THREADS: u16 = 2;

/// How often to look what was logged, and whether everything has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long to pause between a line that was waited for and the next command.
const BREATH: Duration = Duration::from_millis(200);

/// Runs the script, waits until every message has ended, and says where to go on.
pub(super) async fn demonstrate(app: &App, lesson: &Lesson, mut lines: Lines) -> Result<ExitCode, Failure> {
    let broker = app
        .broker_builder()
        .connect(broker_choice::MEMORY)
        .await
        .map_err(|error| Failure::Broken(error.to_string()))?;
    broker_choice::say(&broker, "demo: worker and messages in one process, gone at its end");
    let (ready, started) = tokio::sync::oneshot::channel();
    let ready_line = runner::ready_line(app, THREADS, None);
    let worker =
        app.new_worker(broker.clone()).await?.threads(usize::from(THREADS)).log_arguments(true).on_ready(move || {
            tracing::info!(target: "common::worker", "{ready_line}");
            let _ = ready.send(());
        });
    let stopper = worker.stopper();
    let run = tokio::spawn(worker.run());
    if started.await.is_ok() {
        for step in lesson.demo {
            play(app, step, &broker, &mut lines).await?;
        }
        until_all_ended(app, &broker).await?;
        stopper.stop();
    }
    let ended = run.await.map_err(|error| Failure::Broken(error.to_string()))??;
    let code = runner::code(ended);
    let call = app.call();
    tracing::info!(target: "common::demo", "that was all; what it means: {call} notes");
    tracing::info!(target: "common::demo", "in two terminals: {call} worker --watch .");
    if let Some(step) = lesson.demo.first() {
        tracing::info!(target: "common::demo", "             and: {call} {}", step.command);
    }
    Ok(code)
}

/// Runs one command of the script, once its line has been seen.
async fn play(app: &App, step: &Step, broker: &Broker, lines: &mut Lines) -> Result<(), Failure> {
    if !step.after.is_empty() {
        if !seen(step.after, lines, until_all_ended(app, broker)).await? {
            tracing::warn!(target: "common::demo", "no line said `{}`", step.after);
        }
        // The slot that wrote the line gets free, and a reader sees one thing after the other.
        Clock::system().sleep(BREATH).await;
    }
    // What was logged before the command does not count for the next one.
    while lines.try_recv().is_ok() {}
    tracing::info!(target: "common::demo", "$ {}", step.command);
    let words = std::iter::once(app.name.to_owned()).chain(words(step.command));
    let wrong = |cause: String| Failure::Usage(format!("the demonstration's command `{}`: {cause}", step.command));
    let matches = commands::program(app)
        .try_get_matches_from(words)
        .map_err(|error| wrong(error.to_string().trim_start_matches("error: ").to_owned()))?;
    let (actor, given) = matches.subcommand().expect("clap demands a command");
    if let Some(own) = app.own(actor) {
        return own::call(own, broker.clone(), given).await;
    }
    if !commands::is_actor(app, actor) {
        return Err(wrong("only actors, and the program's own commands, can be called".to_owned()));
    }
    let calls = commands::calls(app, actor, given);
    broker.send_all(calls).await.map_err(|error| Failure::Broken(error.to_string()))?;
    Ok(())
}

/// Waits for a log line with this text, until the `end`; tells whether there was one.
async fn seen(text: &str, lines: &mut Lines, end: impl Future<Output = Result<(), Failure>>) -> Result<bool, Failure> {
    let mut end = pin!(end);
    let mut has_ended = false;
    loop {
        // What was logged is looked at before the end is: it was logged before.
        while let Ok(line) = lines.try_recv() {
            if line.contains(text) {
                return Ok(true);
            }
        }
        if has_ended {
            return Ok(false);
        }
        let clock = Clock::system();
        tokio::select! {
            ended = &mut end => {
                ended?;
                has_ended = true;
            }
            () = clock.sleep(LOOK_INTERVAL) => {}
        }
    }
}

/// Waits until no message is ready, delayed or running. A message is always in one of these places until it has ended.
async fn until_all_ended(app: &App, broker: &Broker) -> Result<(), Failure> {
    let queues: BTreeSet<_> = app.actors.iter().map(|actor| QueueName::canonical(actor.queue)).collect();
    loop {
        let mut left = 0;
        for queue in &queues {
            let counts = broker.counts(queue).await.map_err(|error| Failure::Broken(error.to_string()))?;
            left += counts.ready + counts.delayed + counts.claimed;
        }
        if left == 0 {
            return Ok(());
        }
        Clock::system().sleep(LOOK_INTERVAL).await;
    }
}

/// The words of a command line: separated by spaces, except inside of quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        let is_quote = quote.map_or(c == '"' || c == '\'', |open| c == open);
        if is_quote {
            quote = if quote.is_some() { None } else { Some(c) };
            word.get_or_insert_default();
        } else if quote.is_none() && c.is_whitespace() {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(c);
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_words_together() {
        assert_eq!(words("unhandled 17  --delay 1s"), ["unhandled", "17", "--delay", "1s"]);
        assert_eq!(words(r#"greet 'Ada "L"' "" x"y z""#), ["greet", "Ada \"L\"", "", "xy z"]);
        assert!(words("  ").is_empty());
    }
}
