//! The log, written for learners and for tests: one line an event, on stderr.
//!
//! ```text
//! 12:00:20.001  WARN  slot 1  c51ce410  unhandled(17)  attempt 1 failed: 17 is not allowed
//! time          level slot    message   call           text, then fields as key=value
//! ```
//!
//! The library opens a span `run` around each run of an actor. Its fields are the middle columns of every line inside of
//! it, and the actor's own lines are set off by two spaces. Lines outside of a run have the name of what speaks instead:
//! `broker`, `worker`, `watch`.
//!
//! The wording of a line is its author's; this module only lays it out (line.rs), or writes it for programs (json.rs). Who
//! logs does not wait for who reads: a thread writes (output/writer.rs), and where nobody reads, what is left out is counted.

mod json;
mod line;
mod panics;

use std::cell::Cell;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

use self::line::{Line, Run, Source, Style};
use super::output::LogFile;
use super::{App, Failure, environment, output, time};

/// What is logged when `RUST_LOG` says nothing: the lines of runs are at DEBUG, so that a service does not log each.
const DEFAULT_FILTER: &str = "info,common::run=debug";

/// What `-v` logs.
const VERBOSE_FILTER: &str = "info,common=trace";

/// The library's own lines.
const LIBRARY: &str = "common";

/// The span around a run.
const RUN: &str = "run";

/// The span around a command of a program's own.
const SENDER: &str = "sender";

/// Room for a call with one small argument: `(17)`.
const ARGUMENTS_WIDTH: usize = 4;

thread_local! {
    /// How many runs this thread is inside of. A panic asks for it, when nothing else can be asked.
    static RUNS: Cell<usize> = const { Cell::new(0) };
}

/// What was logged, line by line, without colours.
pub(super) type Lines = UnboundedReceiver<String>;

/// How the log of a process is to be.
#[derive(Debug, Default)]
pub(super) struct LogOptions {
    /// With more lines, and ids in full.
    pub(super) verbose: bool,
    /// A JSON object a line.
    pub(super) json: bool,
    /// Whether what is logged can also be read, by the demonstration.
    pub(super) listens: bool,
    /// Where it goes, unless to stderr.
    pub(super) file: Option<LogFile>,
    /// Which of a supervisor's processes this is.
    pub(super) process: Option<u16>,
}

/// Makes this the process's log.
pub(super) fn install(app: &App, options: LogOptions) -> Result<Lines, Failure> {
    let LogOptions { verbose, json, listens, file, process } = options;
    let (heard, lines) = mpsc::unbounded_channel();
    let filter = filter(verbose)?;
    let longest_name = app.actors.iter().map(|actor| actor.name.len()).max();
    let zone = TimeZone::system();
    // A gap has no colours that the rest has not.
    let colours = file.is_none() && output::has_colours();
    let gap = {
        let zone = zone.clone();
        move |lines: usize| {
            let now = Timestamp::now();
            if json {
                json::gap(now, lines)
            } else {
                line::gap(&time::clock_time(&now.to_zoned_datetime(zone.clone())), colours, lines)
            }
        }
    };
    output::write_behind(file, gap).map_err(|error| Failure::Broken(format!("no thread for the log: {error}")))?;
    let call_width = longest_name.unwrap_or(0) + ARGUMENTS_WIDTH;
    let style = Style { colours, json, full_ids: verbose, call_width, process };
    let log = Log { filter, zone, style, heard: listens.then_some(heard) };
    // Only a program that has a log already is refused, and that one keeps its own.
    let _ = tracing::subscriber::set_global_default(Registry::default().with(log));
    panics::install(json);
    Ok(lines)
}

/// Writes an error to a log for programs, past all filters.
pub(super) fn json_error(target: &str, message: &str) {
    output::log(&json::error(Timestamp::now(), target, message));
}

fn filter(verbose: bool) -> Result<Targets, Failure> {
    let wanted = environment::text("RUST_LOG")?.filter(|wanted| !wanted.is_empty());
    let usual = if verbose { VERBOSE_FILTER } else { DEFAULT_FILTER };
    let text = wanted.as_deref().unwrap_or(usual);
    text.parse().map_err(|error| {
        Failure::Usage(format!(
            "RUST_LOG is `{text}`, which is no filter ({error}); valid forms: `debug`, or `info,common=debug`"
        ))
    })
}

/// Whether the current thread is inside of a run.
fn inside_of_a_run() -> bool {
    RUNS.try_with(Cell::get).is_ok_and(|runs| runs > 0)
}

/// Lays out events and writes them.
struct Log {
    /// What is logged.
    filter: Targets,
    /// The zone of the time column.
    zone: TimeZone,
    style: Style,
    /// Where the demonstration listens.
    heard: Option<UnboundedSender<String>>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // The columns of a run are wanted even where the run's own lines are not.
        is_run(metadata) || is_sender(metadata) || self.filter.would_enable(metadata.target(), metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        let most = self.filter.iter().map(|(_, level)| level).max();
        let most = most.max(self.filter.default_level()).unwrap_or(LevelFilter::OFF);
        Some(most.max(LevelFilter::INFO))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if is_run(attributes.metadata())
            && let Some(span) = context.span(id)
        {
            let mut run = Run::default();
            run.read(&self.style, |visit| attributes.record(visit));
            span.extensions_mut().insert(run);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(run) = span.extensions_mut().get_mut::<Run>()
        {
            run.read(&self.style, |visit| values.record(visit));
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if context.metadata(id).is_some_and(is_run) {
            RUNS.with(|runs| runs.set(runs.get() + 1));
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if context.metadata(id).is_some_and(is_run) {
            RUNS.with(|runs| runs.set(runs.get().saturating_sub(1)));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let target = event.metadata().target();
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(run) = span.extensions().get::<Run>() {
                let is_librarys = is_librarys(target);
                return self.write(event, Source::Run { run, is_librarys });
            }
            if is_sender(span.metadata()) && !is_librarys(target) {
                return self.write(event, Source::Part(SENDER));
            }
        }
        self.write(event, Source::Part(target.rsplit("::").next().unwrap_or_default()));
    }
}

impl Log {
    fn write(&self, event: &Event<'_>, source: Source<'_>) {
        if self.style.json {
            let run = match source {
                Source::Run { run, .. } => Some(run),
                Source::Part(_) => None,
            };
            return self.put(&json::draw(Timestamp::now(), self.style.process, run, event), None);
        }
        let time = time::clock_time(&Timestamp::now().to_zoned_datetime(self.zone.clone()));
        let line = Line { time: &time, source, event };
        let plain = self.heard.as_ref().map(|_| line.draw(&self.style.plain()));
        self.put(&line.draw(&self.style), plain);
    }

    /// Writes a line; whoever listens hears it without colours.
    fn put(&self, line: &str, plain: Option<String>) {
        output::log(line);
        if let Some(heard) = &self.heard {
            // Nobody may listen any more.
            let _ = heard.send(plain.unwrap_or_else(|| line.to_owned()));
        }
    }
}

fn is_run(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.name() == RUN && is_librarys(metadata.target())
}

fn is_sender(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.name() == SENDER && is_librarys(metadata.target())
}

fn is_librarys(target: &str) -> bool {
    target.split("::").next() == Some(LIBRARY)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// The lines that `what` logs.
    fn lines(filter: &str, json: bool, full_ids: bool, what: impl FnOnce()) -> Vec<String> {
        let (heard, mut lines) = mpsc::unbounded_channel();
        let log = Log {
            filter: filter.parse().unwrap(),
            zone: TimeZone::UTC,
            style: Style { colours: false, json, full_ids, call_width: 13, process: None },
            heard: Some(heard),
        };
        tracing::subscriber::with_default(Arc::new(Registry::default().with(log)), what);
        std::iter::from_fn(|| lines.try_recv().ok()).collect()
    }

    /// The same without the time.
    fn logged(filter: &str, full_ids: bool, what: impl FnOnce()) -> Vec<String> {
        let without_time = |line: String| {
            assert_eq!(line.as_bytes()[8], b'.', "{line}");
            line["12:00:00.000".len()..].to_owned()
        };
        lines(filter, false, full_ids, what).into_iter().map(without_time).collect()
    }

    fn a_run() {
        let run = tracing::info_span!(
            target: "common::run",
            "run",
            slot = 2_u64,
            message_id = "8f14e45f-ceea-467f-a8ba-6e3f1f0d2d9a",
            actor = "handled",
            queue = "default",
            attempt = 1_u64,
            call = tracing::field::Empty,
        );
        run.record("call", tracing::field::display(format_args!("handled({})", 17)));
        run.in_scope(|| {
            assert!(inside_of_a_run());
            tracing::debug!(target: "common::run", "attempt 1 starts, 2 ms after it was sent");
            tracing::info_span!("the actor's own").in_scope(|| {
                tracing::warn!(target: "e02_error_handling", n = 17, who = "x", "17 is not allowed");
            });
            tracing::info!(target: "e02_error_handling", i = 3);
            tracing::debug!(target: "common::run", outcome = "done", milliseconds = 0.3, "done in 0.3 ms");
        });
        assert!(!inside_of_a_run());
    }

    #[test]
    fn every_line_of_a_run_has_its_slot_its_id_and_its_call() {
        assert_eq!(
            logged(DEFAULT_FILTER, false, a_run),
            [
                "        slot 2  8f14e45f  handled(17)    attempt 1 starts, 2 ms after it was sent\n",
                "  WARN  slot 2  8f14e45f  handled(17)      17 is not allowed n=17 who=\"x\"\n",
                "        slot 2  8f14e45f  handled(17)      i=3\n",
                "        slot 2  8f14e45f  handled(17)    done in 0.3 ms\n",
            ]
        );
    }

    #[test]
    fn the_actors_lines_keep_their_columns_without_the_lines_of_the_run() {
        assert_eq!(
            logged("warn", true, a_run),
            [
                "  WARN  slot 2  8f14e45f-ceea-467f-a8ba-6e3f1f0d2d9a  handled(17)      17 is not allowed n=17 who=\"x\"\n"
            ]
        );
    }

    #[test]
    fn programs_read_objects() {
        let read = |line: String| {
            let mut object: serde_json::Value = serde_json::from_str(&line).unwrap();
            let time = object.as_object_mut().unwrap().remove("time").unwrap();
            assert!(
                time.as_str().unwrap().parse::<Timestamp>().is_ok() && time.as_str().unwrap().len() == 24,
                "{time}"
            );
            object
        };
        let run = |object: serde_json::Value| {
            let mut object = object;
            object["slot"] = 2.into();
            object["message_id"] = "8f14e45f-ceea-467f-a8ba-6e3f1f0d2d9a".into();
            object["actor"] = "handled".into();
            object["queue"] = "default".into();
            object["attempt"] = 1.into();
            object["call"] = "handled(17)".into();
            object
        };
        let read: Vec<_> = lines(DEFAULT_FILTER, true, false, || {
            a_run();
            tracing::error!(target: "common::broker", "two\nlines");
        })
        .into_iter()
        .map(read)
        .collect();
        let expected = [
            run(serde_json::json!({
                "level": "debug", "target": "common::run", "message": "attempt 1 starts, 2 ms after it was sent",
            })),
            run(serde_json::json!({
                "level": "warn", "target": "e02_error_handling", "message": "17 is not allowed",
                "fields": { "n": 17, "who": "x" },
            })),
            run(serde_json::json!({ "level": "info", "target": "e02_error_handling", "fields": { "i": 3 } })),
            run(serde_json::json!({
                "level": "debug", "target": "common::run", "message": "done in 0.3 ms",
                "fields": { "outcome": "done", "milliseconds": 0.3 },
            })),
            serde_json::json!({ "level": "error", "target": "common::broker", "message": "two\nlines" }),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn what_an_experiments_own_command_logs_is_a_senders() {
        let own = |filter| {
            logged(filter, false, || {
                tracing::info_span!(target: "common::cli", "sender").in_scope(|| {
                    tracing::warn!(target: "e06_results", "7 is odd");
                    tracing::warn!(target: "common::broker", "away");
                });
            })
        };
        assert_eq!(own(DEFAULT_FILTER), ["  WARN  sender  7 is odd\n", "  WARN  broker  away\n"]);
        assert_eq!(own("warn"), own(DEFAULT_FILTER));
    }

    #[test]
    fn outside_of_a_run_a_line_says_what_speaks() {
        let lines = logged(DEFAULT_FILTER, false, || {
            tracing::info!(target: "common::worker", "ready");
            tracing::debug!(target: "common::worker", "a detail");
            tracing::error!(target: "common::watch", "two\nlines, and \u{1b}[31mred");
        });
        assert_eq!(
            lines,
            ["        worker  ready\n", " ERROR  watch   two\n                            lines, and \\u{1b}[31mred\n"]
        );
    }
}
