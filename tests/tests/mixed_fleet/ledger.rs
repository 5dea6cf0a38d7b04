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
        let text = fs::read_to_string(file).unwrap();
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
        let strangers = self.runs.keys().chain(dead.iter().map(|(id, _)| id)).filter(|id| !known.contains(id));
        mistakes.extend(strangers.map(|id| format!("{id:?} was never sent")));
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
