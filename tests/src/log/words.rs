//! One line of a log, word by word.
//!
//! Words are what stands between single spaces, so joining them gives the line back; two spaces in a row have an empty word between.

use super::Ids;
use std::ops::Range;

/// How many characters of an id a log shows.
pub(super) const SHORT_ID: usize = 8;

/// What a person's own Redis is called, in logs that anybody should be able to reproduce.
const REDIS: &str = "redis://localhost:6379";

/// dramatiq's namespace, and ours.
const NAMESPACE: &str = "dramatiq";

/// No step of a demonstration takes a minute; a duration that long shows that something hung.
const TOO_LONG: f64 = 60.0;

/// The length of `12:00:07.103`.
const TIME: usize = 12;

/// What may follow a word directly.
const PUNCTUATION: [char; 7] = [',', ';', ':', '.', ')', '!', '`'];

pub(super) fn tidy(line: &str, ids: &mut Ids) -> Result<String, String> {
    let words: Vec<&str> = without_time(line)?.split(' ').collect();
    let mut tidied: Vec<String> = Vec::with_capacity(words.len());
    let mut rest = words.as_slice();
    while let [word, ..] = rest {
        let before = &words[..words.len() - rest.len()];
        let (stand_in, length) = match back_off(rest)? {
            Some(window) => window,
            None => match duration(before, rest)? {
                Some(duration) => (duration, 2),
                None => (one(before, word, rest.len() > 1, ids)?, 1),
            },
        };
        tidied.push(stand_in);
        rest = &rest[length..];
    }
    Ok(tidied.join(" ").trim_end().to_owned())
}

/// Cuts off the time, and the space behind it.
fn without_time(line: &str) -> Result<&str, String> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some(time) = line.get(..TIME).filter(|time| digits(&time[..2]) && time[2..].starts_with(':')) else {
        // A line that isn't the log's own: an id on standard output, the second line of an error.
        return Ok(line);
    };
    let below = |text: &str, limit: u32| digits(text) && text.parse().is_ok_and(|number: u32| number < limit);
    let right = below(&time[..2], 24)
        && below(&time[3..5], 60)
        && below(&time[6..8], 60)
        && below(&time[9..], 1000)
        && &time[5..6] == ":"
        && &time[8..9] == ".";
    let rest = &line[TIME..];
    if right && (rest.is_empty() || rest.starts_with(' ')) {
        Ok(rest.strip_prefix(' ').unwrap_or(rest))
    } else {
        Err(format!("`{time}` is no time of day"))
    }
}

/// The time that a line begins with, in milliseconds since midnight.
pub(super) fn millis(line: &str) -> Result<u64, String> {
    let rest = without_time(line)?;
    let time = if rest.len() < line.len() { line.get(..TIME) } else { None };
    let parts = time.and_then(|time| {
        let number = |range: Range<usize>| time.get(range)?.parse::<u64>().ok();
        Some([number(0..2)?, number(3..5)?, number(6..8)?, number(9..12)?])
    });
    let [hours, minutes, seconds, millis] = parts.ok_or_else(|| format!("no time begins the line\n{line}"))?;
    Ok(((hours * 60 + minutes) * 60 + seconds) * 1_000 + millis)
}

/// What follows a time of day inside of a line, `11:32:19` or `11:32:19.302`: at most a comma.
fn time_of_day(word: &str) -> Option<&str> {
    let (time, behind) = word.strip_suffix(',').map_or((word, ""), |time| (time, ","));
    let (clock, millis) = time.split_once('.').unwrap_or((time, "000"));
    let parts: Vec<&str> = clock.split(':').collect();
    let below = |text: &str, length: usize, limit: u32| {
        text.len() == length && text.parse().is_ok_and(|number: u32| number < limit)
    };
    let [hour, minute, second] = parts[..] else { return None };
    let is_time = below(hour, 2, 24) && below(minute, 2, 60) && below(second, 2, 60) && below(millis, 3, 1000);
    is_time.then_some(behind)
}

/// `in 1.37 s (1 to 2 s);` → `in 1 to 2 s;`, and how many words that was.
fn back_off(words: &[&str]) -> Result<Option<(String, usize)>, String> {
    let (wait, unit, low, low_unit, high, last, length) = match words {
        ["in", wait, unit, low, "to", high, last, ..] => (wait, unit, low, None, high, last, 7),
        ["in", wait, unit, low, low_unit, "to", high, last, ..] => (wait, unit, low, Some(*low_unit), high, last, 8),
        _ => return Ok(None),
    };
    let (Some(low), Some((high_unit, behind))) = (low.strip_prefix('('), last.split_once(')')) else {
        return Ok(None);
    };
    let span = (seconds(wait, unit), seconds(low, low_unit.unwrap_or(high_unit)), seconds(high, high_unit));
    let (Some(waits), Some(from), Some(to)) = span else {
        return Ok(None);
    };
    let low_unit = low_unit.map(|unit| format!(" {unit}")).unwrap_or_default();
    let window = format!("{low}{low_unit} to {high} {high_unit}");
    if waits < from || waits > to {
        return Err(format!("{wait} {unit} lies outside its window {window}"));
    }
    Ok(Some((format!("in {window}{behind}"), length)))
}

/// `0.3 ms` → `… ms`: two words.
fn duration(before: &[&str], words: &[&str]) -> Result<Option<String>, String> {
    let [number, unit, after @ ..] = words else {
        return Ok(None);
    };
    let (unit, behind) = split_punctuation(unit);
    let Some(seconds) = seconds(number, unit) else {
        return Ok(None);
    };
    let stand_in = match unit {
        // A run time, a lag, or a time that is left. Other seconds are somebody's choice: a delay, a limit.
        "s" if before.ends_with(&["done", "in"])
            || before.ends_with(&["took"])
            || before.ends_with(&["failed", "after"])
            || after.starts_with(&["by", "now:"])
            || after.starts_with(&["old,"])
            || before.ends_with(&["put", "off", "for"])
            || after.starts_with(&["after", "it", "was"])
            || after.starts_with(&["ago"])
            || before.ends_with(&["is", "due", "in"])
            || before.ends_with(&["yet,", "but", "in"])
            || matches!(before, [.., time, "in"] if time_of_day(time).is_some()) =>
        {
            "… s"
        }
        "ns" | "us" | "µs" | "ms" => "… ms",
        _ => return Ok(None),
    };
    if seconds >= TOO_LONG {
        return Err(format!("{number} {unit} is too long to be what it is meant to be"));
    }
    Ok(Some(format!("{stand_in}{behind}")))
}

/// Everything that is one word.
fn one(before: &[&str], word: &str, is_followed: bool, ids: &mut Ids) -> Result<String, String> {
    let (bare, behind) = split_punctuation(word);
    if let [.., "slot", number, ""] = before
        && number.parse::<u32>().is_ok()
        && !word.is_empty()
    {
        // The id's column.
        return if is_id(word) { Ok(ids.number(word)) } else { Err(format!("`{word}` is no message id")) };
    }
    if is_uuid(bare) || ids.seen.iter().any(|seen| seen == bare) {
        let number = ids.number(bare);
        // The first column of a table keeps its width.
        let width = if before.is_empty() && behind.is_empty() && is_followed { bare.len() } else { 0 };
        return Ok(format!("{number:width$}{behind}"));
    }
    if before.ends_with(&["worker"]) && bare.len() == SHORT_ID && is_id(bare) {
        return Ok(format!("{}{behind}", ids.worker(bare)));
    }
    if let Some((id, mark)) = bare.split_once('#')
        && is_uuid(id)
    {
        // The name under which the store holds it.
        return if is_id(mark) {
            Ok(format!("{}#…{behind}", ids.number(id)))
        } else {
            Err(format!("`{bare}` is no name"))
        };
    }
    if let Some((group, id)) = bare.rsplit_once(':')
        && group.ends_with(":@group")
        && is_uuid(id)
    {
        return Ok(format!("{}:…{behind}", namespace(group, ids)?));
    }
    if let Some(behind) = time_of_day(word) {
        return Ok(format!("hh:mm:ss{behind}"));
    }
    if before.ends_with(&["pid"]) {
        let number = bare.parse::<u32>().map_err(|_| format!("`{bare}` is no process id"))?;
        return Ok(format!("{}{behind}", if number > 0 { "…" } else { bare }));
    }
    let word = redis(word, ids)?;
    namespace(&word, ids)
}

fn redis(word: &str, ids: &Ids) -> Result<String, String> {
    let Some(start) = word.find("redis://") else {
        return Ok(word.to_owned());
    };
    let (before, url) = word.split_at(start);
    match url.strip_prefix(&ids.url) {
        Some(rest) if !rest.starts_with(|next: char| next.is_ascii_digit()) => Ok(format!("{before}{REDIS}{rest}")),
        _ => Err(format!("`{url}` isn't the test's Redis ({})", ids.url)),
    }
}

fn namespace(word: &str, ids: &Ids) -> Result<String, String> {
    let word = word.replace(&ids.namespace, NAMESPACE);
    // Any other that the kit made: `t-` and twelve hex digits.
    let other = word.split(|part: char| part != '-' && !part.is_ascii_alphanumeric()).find(|part| {
        part.strip_prefix("t-").is_some_and(|id| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    });
    match other {
        Some(other) => Err(format!("`{other}` isn't the test's namespace ({})", ids.namespace)),
        None => Ok(word),
    }
}

/// A number and a unit, in seconds.
fn seconds(number: &str, unit: &str) -> Option<f64> {
    let scale = match unit {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return None,
    };
    // `parse` alone would take `inf` and `1e3`.
    let plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    number.parse::<f64>().ok().filter(|_| plain).map(|number| number * scale)
}

fn split_punctuation(word: &str) -> (&str, &str) {
    word.split_at(word.trim_end_matches(PUNCTUATION).len())
}

fn is_id(word: &str) -> bool {
    is_uuid(word) || word.len() == SHORT_ID && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_uuid(word: &str) -> bool {
    let hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    word.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && word.split('-').all(hex)
}
