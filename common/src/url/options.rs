//! What may follow after a `?`: options, each of them `NAME=VALUE`, and each for some schemes.

use super::percent::decoded;

/// The options that there are, and the schemes that have them; there, none is a secret.
const OPTIONS: [(&str, &[&str]); 6] = [
    ("namespace", &["memory", "redis", "rediss", "redis+unix", "unix", "sqlite"]),
    ("synchronous", &["sqlite"]),
    ("db", &["redis+unix", "unix"]),
    ("ca", &["rediss"]),
    ("cert", &["rediss"]),
    ("key", &["rediss"]),
];

/// Names under which others put a user and a password here.
const LOGIN: [&str; 5] = ["user", "username", "pass", "password", "auth"];

/// Whether the value of such an option may be shown. Of another scheme, it may be anything.
pub(super) fn may_be_shown(name: &str, scheme: &str) -> bool {
    of_scheme(name, scheme).is_ok()
}

/// What may follow after a `?`.
#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) namespace: Option<String>,
    pub(super) full: bool,
    pub(super) db: Option<i64>,
    /// Files, in this order: the roots that are trusted, a certificate of our own, its key.
    pub(super) ca: Option<String>,
    pub(super) cert: Option<String>,
    pub(super) key: Option<String>,
}

impl Options {
    /// Reads the options of a URL of this scheme.
    ///
    /// # Errors
    ///
    /// A sentence that names the option that is wrong, and shows no value that may be a secret.
    pub(super) fn parse(text: &str, scheme: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in text.split('&') {
            let (name, value) = match option.split_once('=') {
                Some((name, value)) => (name, value),
                None if may_be_shown(option, scheme) => return Err(format!("the option `{option}` has no value")),
                None => return Err("after a `?` come options, each of them `NAME=VALUE`".to_owned()),
            };
            of_scheme(name, scheme)?;
            match name {
                "namespace" if value.is_empty() => return Err("its namespace is empty".to_owned()),
                "namespace" => options.namespace = Some(value.to_owned()),
                "synchronous" => {
                    options.full = match value {
                        "full" => true,
                        "normal" => false,
                        _ => return Err(format!("`synchronous={value}`: it is `normal` or `full`")),
                    }
                }
                "db" => match value.parse() {
                    Ok(db) if db >= 0 => options.db = Some(db),
                    _ => return Err(format!("`db={value}`: it is the number of a database, `0` or more")),
                },
                "ca" => options.ca = Some(file(name, value)?),
                "cert" => options.cert = Some(file(name, value)?),
                _ => options.key = Some(file(name, value)?),
            }
        }
        match (&options.cert, &options.key) {
            (Some(_), None) => Err("`cert` needs `key`, the file with the certificate's private key".to_owned()),
            (None, Some(_)) => Err("`key` needs `cert`, the file with the key's certificate".to_owned()),
            _ => Ok(options),
        }
    }
}

fn of_scheme(name: &str, scheme: &str) -> Result<(), String> {
    let has = |schemes: &[&str]| schemes.contains(&scheme);
    match OPTIONS.iter().find(|(known, _)| *known == name) {
        Some((_, schemes)) if has(schemes) => Ok(()),
        Some((_, schemes)) => {
            Err(format!("`{name}` is an option of `{}:`, not of `{scheme}:`", schemes.join(":` and `")))
        }
        None if LOGIN.contains(&name) => {
            Err(format!("`{name}` is no option: a user and a password stand before an `@`, as in `USER:PASSWORD@`"))
        }
        None => {
            let there = OPTIONS.iter().filter(|(_, schemes)| has(schemes)).map(|(known, _)| format!("`{known}`"));
            let there: Vec<_> = there.collect();
            Err(match &*there {
                [one] => format!("the option `{name}` is not known; there is {one}"),
                [first @ .., last] => {
                    format!("the option `{name}` is not known; there are {} and {last}", first.join(", "))
                }
                [] => format!("the option `{name}` is not known"),
            })
        }
    }
}

fn file(name: &str, value: &str) -> Result<String, String> {
    match decoded(value)? {
        path if path.is_empty() => Err(format!("`{name}` names no file")),
        path => Ok(path),
    }
}
