//! Times as people type them: `5s`, `12:00:05`.
//!
//! Local time is that of `TZ`, else of this machine. Where neither names a time zone, there is none: a local time that is
//! typed is refused, because it would be taken for another one, and what is shown is UTC, and says so.

use std::env;
use std::time::Duration;

use jiff::civil::{DateTime, Time};
use jiff::{ToSpan as _, ZonedDateTime};

use crate::clock::Timestamp;
use crate::duration;

/// Reads how long something is to take.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duration::parse(text, "a time is a number and a unit: `500ms`, `15s`, `2m`, `1h`, `7d`")
}

/// Reads a point in time: RFC 3339, a local date and time, or a time of day, which means its next occurrence after `now`.
pub(super) fn point(text: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    let zone = now.time_zone();
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp::from_millis(instant.as_millisecond()));
    }
    let local = if text.contains('-') {
        let local = text.parse::<DateTime>().ok();
        local.and_then(|local| local.to_zoned_datetime(zone.clone()).ok())
    } else {
        let time = text.contains(':').then(|| text.parse::<Time>().ok()).flatten();
        time.and_then(|time| next(time, now))
    };
    match local {
        Some(_) if zone.is_unknown() => Err(no_zone()),
        Some(local) => Ok(Timestamp::from_millis(local.timestamp().as_millisecond())),
        None => Err("a time is `12:00:05` (the next one, local time) or `2030-01-31T12:00:05+01:00`".to_owned()),
    }
}

/// Why a local time means nothing here, and what to do about it.
fn no_zone() -> String {
    let why = match env::var_os("TZ") {
        Some(zone) => format!("TZ is `{}`, which names no time zone here", zone.to_string_lossy()),
        None => "this machine names no time zone (there is no /etc/localtime)".to_owned(),
    };
    format!(
        "{why}, so that local time is unknown; set TZ, to `UTC` or to `Europe/Vienna` (which needs the package tzdata), or \
         write the time with its offset, `2030-01-31T12:00:05+01:00`"
    )
}

/// The next time that clocks show `time`.
fn next(time: Time, now: &ZonedDateTime) -> Option<ZonedDateTime> {
    let on = |day: jiff::civil::Date| day.to_datetime(time).to_zoned_datetime(now.time_zone().clone()).ok();
    let today = on(now.date())?;
    if today > *now {
        return Some(today);
    }
    on(now.date().checked_add(1.day()).ok()?)
}

/// `12:00:05.040`, local time.
pub(super) fn clock_time(time: &ZonedDateTime) -> String {
    format!("{:02}:{:02}:{:02}.{:03}", time.hour(), time.minute(), time.second(), time.millisecond())
}

/// When a message is due, for people who look at it `now`: the date only where it is another one.
pub(super) fn due(at: Timestamp, now: &ZonedDateTime) -> String {
    let Ok(instant) = jiff::Timestamp::from_millisecond(at.as_millis()) else {
        return format!("{at} ms after 1970");
    };
    let at = instant.to_zoned_datetime(now.time_zone().clone());
    let zone = if now.time_zone().is_unknown() { " UTC" } else { "" };
    let time = clock_time(&at);
    if at.date() == now.date() { format!("{time}{zone}") } else { format!("{} {time}{zone}", at.date()) }
}

/// The same for who typed a time of day: with its offset from UTC, `+01:00`, because it may be another than was meant.
pub(super) fn due_with_offset(at: Timestamp, now: &ZonedDateTime) -> String {
    let offset = jiff::Timestamp::from_millisecond(at.as_millis())
        .map(|instant| instant.to_zoned_datetime(now.time_zone().clone()).strftime("%:z").to_string());
    let is_known = !now.time_zone().is_unknown();
    format!(
        "{}{}",
        due(at, now),
        offset.ok().filter(|_| is_known).map_or_else(String::new, |offset| format!(" {offset}"))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> ZonedDateTime {
        "2026-03-28T12:00:00+01:00[Europe/Vienna]".parse().unwrap()
    }

    #[test]
    fn a_time_of_day_is_its_next_occurrence() {
        let millis = |text: &str| Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        assert_eq!(point("12:00:05", &noon()), Ok(millis("2026-03-28T12:00:05+01:00")));
        assert_eq!(point("13:30", &noon()), Ok(millis("2026-03-28T13:30:00+01:00")));
        // The next morning is in summer time.
        assert_eq!(point("11:00:00", &noon()), Ok(millis("2026-03-29T11:00:00+02:00")));
        assert_eq!(point("12:00:00", &noon()), Ok(millis("2026-03-29T12:00:00+02:00")));
        assert_eq!(point("2026-12-31T23:00:00", &noon()), Ok(millis("2026-12-31T23:00:00+01:00")));
        assert_eq!(point("2026-12-31T23:00:00Z", &noon()), Ok(millis("2026-12-31T23:00:00Z")));
        for bad in ["", "noon", "25:00", "12", "2026-13-01T00:00:00Z"] {
            assert!(point(bad, &noon()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_due_time_names_another_day() {
        let at = |text: &str| due(point(text, &noon()).unwrap(), &noon());
        assert_eq!(at("12:00:05"), "12:00:05.000");
        assert_eq!(at("11:00:00"), "2026-03-29 11:00:00.000");
    }

    #[test]
    fn who_types_a_time_of_day_is_told_its_offset() {
        let told = |text: &str| due_with_offset(point(text, &noon()).unwrap(), &noon());
        assert_eq!(told("12:00:05"), "12:00:05.000 +01:00");
        // In summer time.
        assert_eq!(told("11:00:00"), "2026-03-29 11:00:00.000 +02:00");
    }

    #[test]
    fn where_no_zone_is_known_only_times_with_their_offset_are() {
        let now = noon().with_time_zone(jiff::tz::TimeZone::unknown());
        for local in ["12:00:05", "2026-12-31T23:00:00"] {
            let said = point(local, &now).unwrap_err();
            assert!(said.contains("local time is unknown; set TZ"), "{said}");
        }
        let at = point("2026-03-28T12:00:05+01:00", &now).unwrap();
        assert_eq!(due(at, &now), "11:00:05.000 UTC");
        assert_eq!(due_with_offset(at, &now), "11:00:05.000 UTC");
    }

    #[test]
    fn programs_read_the_same_times_as_people() {
        let days = (-719_528..2_932_896).step_by(97);
        for millis in days.map(|day: i64| day * 86_400_000 + day.rem_euclid(86_400_000)) {
            let jiff = jiff::Timestamp::from_millisecond(millis).map(|time| format!("{time:.3}")).ok();
            assert_eq!(Timestamp::from_millis(millis).rfc3339(), jiff, "{millis}");
        }
    }
}
