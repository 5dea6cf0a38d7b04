//! What the workers wrote down, and whether that is right.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::plan::{Job, Part, Shape};

/// A job's number, and which part of it.
pub(crate) type Id = (u32, u32);

/// What is written there, in its order.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The workers that have begun something.
    pub(crate) busy: BTreeSet<String>,
    /// Workers of Python's, and their ids in Redis.
    pub(crate) ids: BTreeMap<String, String>,
    /// How many runs have begun.
    pub(crate) begun: usize,
    runs: BTreeMap<Id, Runs>,
}

/// The runs of one message.
#[derive(Debug, Default)]
struct Runs {
    /// The lines where they begin: the worker, the attempt, and what they were called with.
    begun: Vec<(usize, String, u32, String)>,
    /// The lines where they end well, and by which worker.
    ended: Vec<(usize, String)>,
}

/// How often workers were killed that had not given back a message, on each side: what allows that it runs more than once.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) by_rust: BTreeMap<Id, usize>,
    pub(crate) by_python: BTreeMap<Id, usize>,
}

impl Ledger {
    pub(crate) fn read(file: &Path) -> Self {
        Self::parse(&fs::read_to_string(file).unwrap())
    }

    fn parse(text: &str) -> Self {
        // The last line may be on its way.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut ledger = Self::default();
        for (number, line) in whole.lines().enumerate() {
            ledger.add(number, line).unwrap_or_else(|| panic!("no line of a ledger: {line}"));
        }
        ledger
    }

    fn add(&mut self, number: usize, line: &str) -> Option<()> {
        let mut words = line.splitn(6, ' ');
        let (worker, what, next) = (words.next()?, words.next()?, words.next()?);
        if what == "is" {
            self.ids.insert(worker.to_owned(), next.to_owned());
            return Some(());
        }
        let runs = self.runs.entry((next.parse().ok()?, words.next()?.parse().ok()?)).or_default();
        if what == "end" {
            runs.ended.push((number, worker.to_owned()));
            return Some(());
        }
        runs.begun.push((number, worker.to_owned(), words.next()?.parse().ok()?, words.next()?.to_owned()));
        self.busy.insert(worker.to_owned());
        self.begun += 1;
        Some(())
    }

    /// What is wrong, now that all is over; `dead` are the dead letters, and what they are called with.
    pub(crate) fn mistakes(&self, jobs: &[Job], held: &Held, dead: &[(Id, String)]) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut known = BTreeSet::new();
        for job in jobs {
            for (part, number) in job.parts.iter().zip(0..) {
                let id = (job.number, number);
                known.insert(id);
                let letters = dead.iter().filter(|(of, _)| *of == id).map(|(_, args)| args.as_str());
                let view = View { job, part, id, runs: self.runs.get(&id), held, letters: letters.collect() };
                mistakes.extend(view.mistakes().into_iter().map(|what| view.story(&what)));
                mistakes.extend(self.out_of_order(&view).map(|what| view.story(&what)));
            }
        }
        let unsent = self.runs.keys().chain(dead.iter().map(|(id, _)| id)).filter(|id| !known.contains(id));
        mistakes.extend(unsent.map(|id| format!("{id:?} was never sent")));
        mistakes
    }

    /// Whether it has begun before what it comes after has ended.
    fn out_of_order(&self, view: &View<'_>) -> Option<String> {
        let (job, (number, part)) = (view.job, view.id);
        let last = job.parts.len() - 1;
        let before = match job.shape {
            Shape::Pipeline if part > 0 => part - 1..part,
            // A member that Python ends twice counts twice.
            Shape::Group if part as usize == last && view.doubled_before() == 0 => 0..part,
            _ => return None,
        };
        let begun = view.runs?.begun.first()?.0;
        let is_early = |part: &u32| {
            self.runs.get(&(number, *part)).and_then(|runs| runs.ended.first()).is_none_or(|(at, _)| *at > begun)
        };
        before.into_iter().find(is_early).map(|part| format!("has begun before part {part} has ended"))
    }
}

/// A message, and what became of it.
struct View<'a> {
    job: &'a Job,
    part: &'a Part,
    id: Id,
    runs: Option<&'a Runs>,
    held: &'a Held,
    letters: Vec<&'a str>,
}

impl View<'_> {
    /// How often Python's workers were killed with something in hand that this one follows from. dramatiq sends what follows, and
    /// acknowledges then: where it is killed in between, what follows is sent once more.
    fn doubled_before(&self) -> usize {
        let (number, part) = self.id;
        let is_last = part as usize == self.job.parts.len() - 1;
        let follows = self.job.shape == Shape::Pipeline || self.job.shape == Shape::Group && is_last;
        let count = |part| self.held.by_python.get(&(number, part)).copied().unwrap_or_default();
        if follows { (0..part).map(count).sum() } else { 0 }
    }

    /// How many copies of it there may be: a retry, and the end of a delay, are sent and then acknowledged as well.
    fn copies(&self) -> usize {
        1 + self.doubled_before() + self.held.by_python.get(&self.id).copied().unwrap_or_default()
    }

    fn mistakes(&self) -> Vec<String> {
        let nothing = Runs::default();
        let (runs, part) = (self.runs.unwrap_or(&nothing), self.part);
        let mut mistakes = Vec::new();
        for attempt in 1..=u32::try_from(part.attempts()).unwrap_or_default() {
            if !runs.begun.iter().any(|(_, _, begun, _)| *begun == attempt) {
                mistakes.push(format!("attempt {attempt} is missing"));
            }
        }
        let held =
            [&self.held.by_rust, &self.held.by_python].map(|held| held.get(&self.id).copied().unwrap_or_default());
        let most = part.attempts() * self.copies() + held.iter().sum::<usize>();
        if runs.begun.len() > most {
            mistakes.push(format!("ran {} times, and not {most} at most", runs.begun.len()));
        }
        if runs.ended.is_empty() != part.is_doomed() {
            mistakes.push(format!("ended well {} times", runs.ended.len()));
        }
        let letters = if part.is_doomed() { 1..=self.copies() } else { 0..=0 };
        if !letters.contains(&self.letters.len()) {
            mistakes.push(format!("has {} dead letters, and not {letters:?}", self.letters.len()));
        }
        let called_with = runs.begun.iter().map(|(_, _, _, args)| args.as_str()).chain(self.letters.iter().copied());
        for args in called_with.filter(|args| *args != part.called_with) {
            mistakes.push(format!("was called with {args}, and not with {}", part.called_with));
        }
        mistakes
    }

    fn story(&self, what: &str) -> String {
        let held = |by: &BTreeMap<Id, usize>| by.get(&self.id).copied().unwrap_or_default();
        let (by_rust, by_python) = (held(&self.held.by_rust), held(&self.held.by_python));
        format!(
            "{:?} of {:?}, `{}` sent by {:?}, killed in hand {by_rust} times by Rust and {by_python} by Python: {what}\n    {:?}",
            self.id, self.job.shape, self.part.actor.name, self.job.sender, self.runs
        )
    }
}

/// What the ledger says of each mistake, so that none passes.
mod tests {
    use super::{Held, Id, Ledger};
    use crate::plan::{self, Job, Part, Shape};
    use tests::model::random::Random;

    /// A job of this shape for which something holds.
    fn job(shape: Shape, wanted: impl Fn(&Part) -> bool) -> Vec<Job> {
        let jobs = plan::draw(&mut Random::new(1), 1_000);
        jobs.into_iter().filter(|job| job.shape == shape && job.parts.iter().all(&wanted)).take(1).collect()
    }

    /// What is written where all goes well.
    fn story(jobs: &[Job]) -> Vec<String> {
        let mut lines = Vec::new();
        for job in jobs {
            for (part, number) in job.parts.iter().zip(0..) {
                lines.extend((1..=part.attempts()).map(|attempt| begin((job.number, number), part, attempt)));
                if !part.is_doomed() {
                    lines.push(format!("rust-1 end {} {number}", job.number));
                }
            }
        }
        lines
    }

    fn begin((job, part): Id, of: &Part, attempt: usize) -> String {
        format!("rust-1 begin {job} {part} {attempt} {}", of.called_with)
    }

    /// What is wrong with a story; each mistake without what it tells besides.
    fn mistakes(jobs: &[Job], lines: &[String], held: &Held, dead: &[Id]) -> Vec<String> {
        let args = |id: &Id| jobs.iter().find(|job| job.number == id.0).unwrap().parts[0].called_with.clone();
        let dead: Vec<_> = dead.iter().map(|id| (*id, args(id))).collect();
        let found = Ledger::parse(&(lines.join("\n") + "\n")).mistakes(jobs, held, &dead);
        let short = |mistake: &String| {
            let line = mistake.lines().next().unwrap_or_default();
            line.rsplit_once("by Python: ").map_or(line, |(_, what)| what).to_owned()
        };
        found.iter().map(short).collect()
    }

    #[test]
    fn what_goes_well_is_right_and_each_mistake_is_found() {
        let nothing = Held::default();
        let plain = job(Shape::Single, |part| part.attempts() == 1 && !part.is_doomed());
        let (id, lines) = ((plain[0].number, 0), story(&plain));
        assert_eq!(mistakes(&plain, &lines, &nothing, &[]), [""; 0]);
        assert_eq!(mistakes(&plain, &[], &nothing, &[]), ["attempt 1 is missing", "ended well 0 times"]);
        assert_eq!(mistakes(&plain, &lines[..1], &nothing, &[]), ["ended well 0 times"]);
        assert_eq!(mistakes(&plain, &lines, &nothing, &[id]), ["has 1 dead letters, and not 0..=0"]);
        let other = [lines[0].replace('[', "[7"), lines[1].clone()];
        assert!(mistakes(&plain, &other, &nothing, &[])[0].starts_with("was called with [7"));
        let unknown = [&lines[..], &[format!("rust-1 end {} 0", u32::MAX)]].concat();
        assert_eq!(mistakes(&plain, &unknown, &nothing, &[]), [format!("({}, 0) was never sent", u32::MAX)]);

        let twice = [&lines[..1], &lines[..]].concat();
        assert_eq!(mistakes(&plain, &twice, &nothing, &[]), ["ran 2 times, and not 1 at most"]);
        let held = Held { by_rust: [(id, 1)].into(), ..Held::default() };
        assert_eq!(mistakes(&plain, &twice, &held, &[]), [""; 0], "it was in hand");

        let doomed = job(Shape::Single, Part::is_doomed);
        assert_eq!(mistakes(&doomed, &story(&doomed), &nothing, &[(doomed[0].number, 0)]), [""; 0]);
        let lost = mistakes(&doomed, &story(&doomed), &nothing, &[]);
        assert_eq!(lost, ["has 0 dead letters, and not 1..=1"]);
    }

    #[test]
    fn what_comes_too_early_is_found() {
        let nothing = Held::default();
        for shape in [Shape::Pipeline, Shape::Group] {
            let jobs = job(shape, |_| true);
            let mut lines = story(&jobs);
            assert_eq!(mistakes(&jobs, &lines, &nothing, &[]), [""; 0]);
            let end = lines.len() - 3;
            lines.swap(end, end + 1);
            let before = jobs[0].parts.len() - 2;
            assert_eq!(mistakes(&jobs, &lines, &nothing, &[]), [format!("has begun before part {before} has ended")]);
        }
    }
}
