//! What a process printed so far, collected by a thread a stream.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Error,
}

/// Grows while the process prints.
#[derive(Debug, Default)]
pub(super) struct Output {
    printed: Mutex<Printed>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Printed {
    lines: Vec<(Stream, String)>,
    /// Streams that are still open; at none, no line can come any more.
    open: usize,
}

impl Output {
    /// Starts to collect a stream.
    pub(super) fn read(output: &Arc<Self>, stream: Stream, source: impl Read + Send + 'static) {
        output.printed().open += 1;
        let output = Arc::clone(output);
        thread::spawn(move || {
            // By bytes: a process under test may print what isn't UTF-8.
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                output.printed().lines.push((stream, line));
                output.news.notify_all();
            }
            output.printed().open -= 1;
            output.news.notify_all();
        });
    }

    /// Waits for a line.
    pub(super) fn find(&self, wanted: impl Fn(&str) -> bool, patience: Duration) -> Result<String, &'static str> {
        let mut seen = 0;
        let mut found = None;
        let look = |printed: &mut Printed| {
            // Each line is asked about once, however often this is woken.
            found = printed.lines[seen..].iter().find(|(_, line)| wanted(line)).map(|(_, line)| line.clone());
            seen = printed.lines.len();
            found.is_none() && printed.open > 0
        };
        let (printed, _) =
            self.news.wait_timeout_while(self.printed(), patience, look).unwrap_or_else(PoisonError::into_inner);
        let why = if printed.open > 0 { "it isn't there in time" } else { "the process closed its output" };
        found.ok_or(why)
    }

    /// Waits until all streams are at their end.
    pub(super) fn closed(&self, patience: Duration) {
        let open = |printed: &mut Printed| printed.open > 0;
        drop(self.news.wait_timeout_while(self.printed(), patience, open));
    }

    /// The lines of one stream or of all.
    pub(super) fn lines(&self, of: Option<Stream>) -> Vec<String> {
        let printed = self.printed();
        let wanted = printed.lines.iter().filter(|(stream, _)| of.is_none_or(|of| of == *stream));
        wanted.map(|(_, line)| line.clone()).collect()
    }

    fn printed(&self) -> MutexGuard<'_, Printed> {
        self.printed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
