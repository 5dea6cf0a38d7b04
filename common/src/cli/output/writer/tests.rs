//! Readers that are slow, stuck or gone, and what they get.

use super::*;

/// A file that writes when it is let to.
#[derive(Clone, Default)]
struct File(Arc<(Mutex<Inner>, Condvar)>);

#[derive(Default)]
struct Inner {
    written: Vec<u8>,
    /// Whether `write` hangs.
    is_shut: bool,
    /// How often `write` still fails.
    failures: usize,
}

impl File {
    fn shut(&self, is_shut: bool) {
        self.0.0.lock().unwrap().is_shut = is_shut;
        self.0.1.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().written.clone()).unwrap()
    }

    fn writer(&self) -> Writer {
        Writer::start(self.clone(), |lost| format!("{lost} are missing\n")).unwrap()
    }
}

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let inner = self.0.0.lock().unwrap();
        let mut inner = self.0.1.wait_while(inner, |inner| inner.is_shut).unwrap();
        if inner.failures > 0 {
            inner.failures -= 1;
            return Err(ErrorKind::StorageFull.into());
        }
        // Less than was asked for, as a pipe may do.
        let taken = bytes.len().min(1_000);
        inner.written.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until everything is written, however busy the machine is.
fn settle(writer: &Writer) {
    let is_settled = || {
        let state = writer.0.lock();
        state.settled == state.accepted && state.left_out == 0 && state.is_idle
    };
    while !is_settled() {
        thread::yield_now();
    }
}

#[test]
fn while_somebody_reads_nothing_is_missing_and_all_is_in_order() {
    const LINES: usize = 20_000;
    let file = File::default();
    let writer = file.writer();
    thread::scope(|scope| {
        for number in 0..4 {
            let writer = &writer;
            scope.spawn(move || {
                for line in 0..LINES {
                    writer.put(&format!("{number} {line} {}\n", "x".repeat(line % 100)));
                }
            });
        }
    });
    settle(&writer);
    let text = file.text();
    let mut next = [0; 4];
    for line in text.lines() {
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let (who, line) = (number(), number());
        assert_eq!(line, next[who]);
        next[who] += 1;
    }
    assert_eq!(next, [LINES; 4]);
}

#[test]
fn where_nobody_reads_nobody_waits_and_what_is_missing_is_counted() {
    let file = File::default();
    let writer = file.writer();
    file.shut(true);
    let line = |number: usize| format!("{number} {}\n", "x".repeat(1_000));
    let all = 3 * ROOM / 1_000;
    // Each would hang.
    for number in 0..all {
        writer.put(&line(number));
    }
    let watch = Stopwatch::start();
    writer.flush();
    assert!(watch.elapsed() < PATIENCE, "{:?}", watch.elapsed());

    file.shut(false);
    settle(&writer);
    writer.put("there again\n");
    settle(&writer);
    let text = file.text();
    let lines: Vec<&str> = text.lines().collect();
    let (written, last) = (lines.len() - 2, &lines[lines.len() - 2..]);
    assert!(written > ROOM / 2_000 && written < all, "{written} of {all}");
    assert!((0..written).all(|number| lines[number] == line(number).trim_end()), "in order, from the start");
    assert_eq!(last, [&*format!("{} are missing", all - written), "there again"]);
}

#[test]
fn what_could_not_be_written_is_counted_until_that_can_be_said() {
    let file = File::default();
    let writer = file.writer();
    // The first one; then the line about it, and the second one.
    file.0.0.lock().unwrap().failures = 3;
    for line in ["one\n", "two\n", "three\n"] {
        writer.put(line);
        settle(&writer);
    }
    assert_eq!(file.text(), "2 are missing\nthree\n");
}

#[test]
fn a_line_that_is_longer_than_all_room_is_written() {
    let file = File::default();
    let writer = file.writer();
    let long = format!("{}\n", "x".repeat(2 * ROOM));
    writer.put(&long);
    settle(&writer);
    writer.put("short\n");
    settle(&writer);
    assert_eq!(file.text(), format!("{long}short\n"));
}

#[test]
fn pages_end_where_lines_do() {
    let pages = |text: &str| {
        let (mut rest, mut pages) = (text.as_bytes(), Vec::new());
        while !rest.is_empty() {
            let (page, others) = rest.split_at(page_of(rest));
            pages.push(page.len());
            rest = others;
        }
        pages
    };
    let line = |length: usize| format!("{}\n", "x".repeat(length - 1));
    assert_eq!(pages("one\ntwo"), [7]);
    assert_eq!(pages(&[line(3_000), line(1_000), line(1_000)].concat()), [4_000, 1_000]);
    assert_eq!(pages(&[line(100), line(5_000), line(100)].concat()), [100, 5_000, 100]);
    assert_eq!(pages(&"x".repeat(5_000)), [5_000]);
}
