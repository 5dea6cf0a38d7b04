//! A time for programs: as people write it, and as a number.

use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use super::Timestamp;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

impl Timestamp {
    /// The time as RFC 3339 writes it: UTC, with milliseconds. `None` outside of the years that it has a form for, 0 to 9999.
    #[must_use]
    pub fn rfc3339(self) -> Option<String> {
        let time = EPOCH.checked_add(SignedDuration::from_millis(self.0)).ok()?;
        (time.year() >= 0).then(|| format!("{time:.3}Z"))
    }
}

/// `{ "rfc3339": "2027-01-15T08:00:00.040Z", "millis": 1800000000040 }`
impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Timestamp", 2)?;
        fields.serialize_field("rfc3339", &self.rfc3339())?;
        fields.serialize_field("millis", &self.0)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_written_for_programs_twice() {
        let at = json!(Timestamp::from_millis(1_800_000_000_040));
        assert_eq!(at, json!({ "rfc3339": "2027-01-15T08:00:00.040Z", "millis": 1_800_000_000_040_i64 }));
    }

    #[test]
    fn every_day_of_the_calendar_has_its_date() {
        for (millis, text) in [
            (0, Some("1970-01-01T00:00:00.000Z")),
            (-1, Some("1969-12-31T23:59:59.999Z")),
            (951_782_400_000, Some("2000-02-29T00:00:00.000Z")),
            (4_107_542_399_999, Some("2100-02-28T23:59:59.999Z")),
            (4_107_542_400_000, Some("2100-03-01T00:00:00.000Z")),
            (253_402_300_799_999, Some("9999-12-31T23:59:59.999Z")),
            (253_402_300_800_000, None),
            (-62_167_219_200_000, Some("0000-01-01T00:00:00.000Z")),
            (-62_167_219_200_001, None),
            (i64::MAX, None),
            (i64::MIN, None),
        ] {
            assert_eq!(Timestamp::from_millis(millis).rfc3339().as_deref(), text, "{millis}");
        }
    }
}
