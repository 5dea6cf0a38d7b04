//! Finds Python's bare words in a body that is no JSON because of them.
//!
//! Python writes and reads `NaN`, `Infinity` and `-Infinity`, which JSON does not know. Only when a body could not be
//! read is it scanned for them: each is replaced by a string that occurs nowhere else in it, so that the ordinary reader
//! can go over it, and put back where it stood.

/// The words, longest first where one starts like another.
const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// A body with its bare words replaced.
pub(super) struct Replaced {
    /// The body, readable as JSON as far as the words are concerned.
    pub(super) body: String,
    /// What stands for each of [`WORDS`]: a JSON string.
    stand_ins: [String; 3],
}

impl Replaced {
    /// Replaces all bare words of `body`; `None` if there is none.
    pub(super) fn new(body: &str) -> Option<Self> {
        let stand_ins = [0, 1, 2].map(|word| unused(body, word));
        let mut replaced = String::with_capacity(body.len() + 32);
        let mut found = false;
        let mut rest = body;
        while let Some(at) = rest.find(['"', 'N', 'I', '-']) {
            replaced.push_str(&rest[..at]);
            rest = &rest[at..];
            let word = WORDS.iter().position(|word| rest.starts_with(word) && !is_key(&rest[word.len()..]));
            let taken = if let Some(word) = word {
                found = true;
                replaced.push_str(&stand_ins[word]);
                WORDS[word].len()
            } else {
                let length = if rest.starts_with('"') { string_length(rest) } else { 1 };
                replaced.push_str(&rest[..length]);
                length
            };
            rest = &rest[taken..];
        }
        replaced.push_str(rest);
        found.then_some(Self { body: replaced, stand_ins })
    }

    /// The word that a text stands for.
    pub(super) fn word(&self, text: &str) -> Option<&'static str> {
        let stands_for = |stand_in: &String| stand_in[1..stand_in.len() - 1] == *text;
        self.stand_ins.iter().position(stands_for).map(|word| WORDS[word])
    }

    /// The text with the words back wherever they stood; `None` where none did.
    pub(super) fn restored(&self, text: &str) -> Option<String> {
        let mut restored: Option<String> = None;
        for (word, stand_in) in WORDS.iter().zip(&self.stand_ins) {
            let text = restored.as_deref().unwrap_or(text);
            if text.contains(stand_in.as_str()) {
                restored = Some(text.replace(stand_in.as_str(), word));
            }
        }
        restored
    }
}

/// The float that a bare word names.
pub(super) fn word_of(word: &str) -> f64 {
    match word {
        "Infinity" => f64::INFINITY,
        "-Infinity" => f64::NEG_INFINITY,
        _ => f64::NAN,
    }
}

/// The bare word for a float that is no number of JSON's.
pub(super) fn not_a_number(float: f64) -> Option<&'static str> {
    match float {
        _ if float.is_nan() => Some("NaN"),
        f64::INFINITY => Some("Infinity"),
        f64::NEG_INFINITY => Some("-Infinity"),
        _ => None,
    }
}

/// Whether what comes before `rest` names an entry of an object, which a bare word cannot.
fn is_key(rest: &str) -> bool {
    rest.trim_start().starts_with(':')
}

/// A JSON string that does not occur in `body`.
fn unused(body: &str, word: usize) -> String {
    let mut number = 0_u32;
    loop {
        let stand_in = format!("\"bare word {word} {number}\"");
        if !body.contains(&stand_in) {
            return stand_in;
        }
        number += 1;
    }
}

/// How many bytes the JSON string at the start of `text` takes, both quotes included.
fn string_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_inside_strings_are_left_alone() {
        assert!(Replaced::new(r#"{"a":"NaN \" Infinity","b":-1}"#).is_none());
        let replaced = Replaced::new(r#"["NaN",NaN,-Infinity,"bare word 2 0"]"#).unwrap();
        assert_eq!(replaced.body, r#"["NaN","bare word 2 1","bare word 0 0","bare word 2 0"]"#);
    }

    #[test]
    fn a_word_that_names_an_entry_stays_the_mistake_that_it_is() {
        assert!(Replaced::new("{NaN:1,Infinity :2}").is_none());
        assert_eq!(Replaced::new("{NaN:-Infinity}").unwrap().body, r#"{NaN:"bare word 0 0"}"#);
    }

    #[test]
    fn all_words_of_a_value_come_back() {
        let replaced = Replaced::new(r#"{"a":[NaN,{"b":-Infinity}],"c":"NaN"}"#).unwrap();
        let restored = replaced.restored(&replaced.body);
        assert_eq!(restored.as_deref(), Some(r#"{"a":[NaN,{"b":-Infinity}],"c":"NaN"}"#));
        assert_eq!(replaced.restored(r#"{"c":"NaN"}"#), None);
    }

    #[test]
    fn an_open_string_ends_the_scan() {
        assert!(Replaced::new("\"abc\\").is_none());
        assert!(Replaced::new("\"é").is_none());
    }
}
