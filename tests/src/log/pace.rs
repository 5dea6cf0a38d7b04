//! On a busy machine, what is pinned in milliseconds may take seconds.

/// The stand-ins of a duration in milliseconds and in seconds begin with this word; a unit follows.
const ELLIPSIS: &str = "…";

/// A tidy log in which the durations have the unit of the pinned one, where they are longer: slower is right, and faster is not, as a nap of
/// three seconds never ends after some milliseconds. Where a line is another one, it stays.
pub(super) fn as_pinned(pinned: &str, tidy_log: &str) -> String {
    if pinned.lines().count() != tidy_log.lines().count() {
        return tidy_log.to_owned();
    }
    let lines = pinned.lines().zip(tidy_log.lines());
    lines.map(|(pinned, line)| with_units_of(pinned, line) + "\n").collect()
}

fn with_units_of(pinned: &str, line: &str) -> String {
    let wanted: Vec<&str> = pinned.split(' ').collect();
    let mut words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    if wanted.len() == words.len() {
        for at in 1..words.len() {
            let is_slower = words[at - 1] == ELLIPSIS && wanted[at] == format!("m{}", words[at]);
            if is_slower && words[at].starts_with('s') {
                wanted[at].clone_into(&mut words[at]);
            }
        }
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::as_pinned;

    #[test]
    fn what_takes_longer_is_as_it_was_pinned() {
        let pinned = "m1  starts, … ms after it was sent\nm1  done in … ms; … s\n";
        let slow = "m1  starts, … s after it was sent\nm1  done in … s; … s\n";
        assert_eq!(as_pinned(pinned, slow), pinned);
        assert_eq!(as_pinned(pinned, pinned), pinned);
    }

    #[test]
    fn what_takes_less_or_is_another_line_stays() {
        for (pinned, log) in [
            ("m1  done in … s\n", "m1  done in … ms\n"),
            ("m1  done in … ms\n", "m2  done in … s at last\n"),
            ("m1  waits ms\n", "m1  waits s\n"),
            ("m1  done in … ms\n", "m1  done in … s\nm2  done in … s\n"),
        ] {
            assert_eq!(as_pinned(pinned, log), log);
        }
    }
}
