//! What a broker's URL says, what is wrong with one that says nothing, and how much of one may be shown.
//!
//! Spaces and line breaks around a URL do not count: it may come out of a secret file, whose last line has an end. Nothing
//! that stands before the last `@` is ever shown, whatever the URL looks like, and no value of an option that is not known.

use std::fmt;

mod options;
mod percent;
mod redis;

use self::options::Options;
#[cfg(feature = "tls")]
pub(crate) use self::redis::TlsFiles;
pub(crate) use self::redis::{RedisPlace, Way};

/// The parts of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrokerUrl {
    pub(crate) place: Place,
    /// The namespace that the URL names.
    pub(crate) namespace: Option<String>,
}

/// Where a broker is. Its debug form shows no password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Redis(RedisPlace),
    Sqlite {
        path: String,
        /// Whether each commit waits for the disk.
        full: bool,
    },
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("Memory"),
            Self::Redis(place) => f.debug_tuple("Redis").field(place).finish(),
            Self::Sqlite { path, full } => f.debug_struct("Sqlite").field("path", path).field("full", full).finish(),
        }
    }
}

/// Schemes that are shown beside a password: what stands in their place may be a part of it.
const SCHEMES: [&str; 15] = [
    "redis",
    "rediss",
    "redis+unix",
    "valkey",
    "valkeys",
    "unix",
    "sqlite",
    "memory",
    "http",
    "https",
    "amqp",
    "amqps",
    "postgres",
    "postgresql",
    "mysql",
];

/// What a URL is for that names a file: it has neither user nor password, and its path may hold any sign.
fn is_file(url: &str) -> bool {
    url.strip_prefix("sqlite:").is_some_and(|rest| rest.starts_with("///") || !rest.starts_with("//"))
}

/// A URL as far as it may be shown: what stands before its last `@` is a user and a password. Nothing in it commands a
/// terminal.
pub(crate) fn without_password(url: &str) -> String {
    let url = url.trim();
    let (scheme, rest) = match url.rfind('@').filter(|_| !is_file(url)) {
        None => (String::new(), url),
        Some(at) => {
            let scheme = SCHEMES.iter().find_map(|scheme| {
                let rest = url.strip_prefix(scheme)?.strip_prefix(':')?;
                Some(format!("{scheme}:{}", if rest.starts_with("//") { "//" } else { "" }))
            });
            (scheme.unwrap_or_default(), &url[at + 1..])
        }
    };
    let named = url.split(':').next().unwrap_or_default();
    let mut shown = scheme;
    match rest.split_once('?') {
        None => shown.push_str(rest),
        Some((rest, options)) => {
            let option = |option: &str| match option.split_once('=') {
                Some((name, _)) if !options::may_be_shown(name, named) => format!("{name}=…"),
                _ => option.to_owned(),
            };
            shown.push_str(rest);
            shown.push('?');
            shown.push_str(&options.split('&').map(option).collect::<Vec<_>>().join("&"));
        }
    }
    if shown.contains(char::is_control) {
        shown =
            shown.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect();
    }
    shown
}

impl BrokerUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// A sentence that names the part that is wrong, and shows nothing of a password.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let url = url.trim();
        if let Some((before, sign)) = url.chars().enumerate().find(|(_, c)| c.is_control()) {
            return Err(format!("after {before} characters comes `{}`, which no URL has in it", sign.escape_default()));
        }
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(if url.is_empty() {
                "it is empty".to_owned()
            } else {
                "it has no scheme: something like `redis:` or `sqlite:` has to come first".to_owned()
            });
        };
        if !SCHEMES.contains(&scheme) {
            // With an `@` behind it, this may be a user.
            let which = if rest.contains('@') { String::new() } else { format!(" `{scheme}`") };
            return Err(format!("the scheme{which} is not known"));
        }
        if !is_file(url)
            && let Some((secret, _)) = rest.rsplit_once('@')
            && secret.trim_start_matches('/').contains(['/', '?', '#'])
        {
            return Err("all that stands before its last `@` is a user and a password, and in these `/` is written \
                        `%2F`, `?` `%3F`, `#` `%23`, `@` `%40` and `%` `%25`"
                .to_owned());
        }
        let (rest, options) = match rest.split_once('?') {
            Some((rest, options)) => (rest, Options::parse(options, scheme)?),
            None => (rest, Options::default()),
        };
        let place = match scheme {
            "memory" if rest.is_empty() => Place::Memory,
            "memory" => return Err(format!("`{}`: nothing comes after `memory:`", without_password(rest))),
            "redis" | "rediss" | "redis+unix" | "unix" => Place::Redis(redis::place(scheme, rest, &options)?),
            "sqlite" => sqlite(rest, options.full)?,
            _ => return Err(format!("the scheme `{scheme}` is not known")),
        };
        Ok(Self { place, namespace: options.namespace })
    }
}

fn sqlite(rest: &str, full: bool) -> Result<Place, String> {
    let path = match rest.strip_prefix("//") {
        // `sqlite:///path`, as others write it.
        Some(path) if path.starts_with('/') => path,
        Some(host) => {
            let host = host.rsplit('@').next().unwrap_or(host);
            let host = host.split('/').next().unwrap_or(host);
            return Err(format!("`//{host}` would be a host, and a file has none: `sqlite:PATH`"));
        }
        None => rest,
    };
    match path {
        "" => Err("it names no file".to_owned()),
        ":memory:" => Err("a database in memory cannot be shared: `memory:` is a store in memory".to_owned()),
        path if path.ends_with('/') => Err(format!("`{path}` is a folder: name a file in it")),
        path => Ok(Place::Sqlite { path: path.to_owned(), full }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(url: &str) -> String {
        BrokerUrl::parse(url).expect_err(url)
    }

    #[test]
    fn urls_are_read() {
        let plain = |place| Ok(BrokerUrl { place, namespace: None });
        let file = |path: &str, full| Place::Sqlite { path: path.to_owned(), full };
        let tcp = |login: &str| Place::Redis(RedisPlace { login: login.to_owned(), way: Way::Tcp });
        assert_eq!(BrokerUrl::parse("memory:"), plain(Place::Memory));
        assert_eq!(BrokerUrl::parse("redis://u:p@host:1/2"), plain(tcp("redis://u:p@host:1/2")));
        assert_eq!(BrokerUrl::parse("sqlite:a/b.db"), plain(file("a/b.db", false)));
        assert_eq!(BrokerUrl::parse("sqlite:///a/b.db"), plain(file("/a/b.db", false)));
        let both = BrokerUrl::parse("sqlite:/b.db?synchronous=full&namespace=n");
        assert_eq!(both, Ok(BrokerUrl { place: file("/b.db", true), namespace: Some("n".to_owned()) }));
    }

    #[test]
    fn spaces_and_line_breaks_around_a_url_do_not_count() {
        let plain = |place| Ok(BrokerUrl { place, namespace: None });
        let file = Place::Sqlite { path: "a b.db".to_owned(), full: false };
        assert_eq!(BrokerUrl::parse(" sqlite:a b.db\r\n"), plain(file));
        let named = BrokerUrl::parse("redis://host?namespace=n\n").unwrap();
        assert_eq!(named.namespace.as_deref(), Some("n"));
    }

    #[test]
    fn a_password_is_not_shown_and_a_path_is_shown_as_it_is() {
        for (given, shown) in [
            ("redis://me:secret@host:1/2", "redis://host:1/2"),
            ("me:secret@host", "host"),
            ("redis://host", "redis://host"),
            ("redis:me:secret@host", "redis:host"),
            ("redis://:se?cr@et#@host/2?namespace=n", "redis://host/2?namespace=n"),
            ("redis+unix://me:secret@/run/redis.sock?db=1", "redis+unix:///run/redis.sock?db=1"),
            ("unix:///run/redis.sock?password=secret", "unix:///run/redis.sock?password=…"),
            ("rediss://me:secret@host:1/2?ca=/a/ca.pem", "rediss://host:1/2?ca=/a/ca.pem"),
            ("redis://host?password=secret&namespace=n", "redis://host?password=…&namespace=n"),
            ("secret://secret@host", "host"),
            ("sqlite://me:secret@host/a.db", "sqlite://host/a.db"),
            ("sqlite:a.db?key=secret", "sqlite:a.db?key=…"),
            ("rediss://host?key=a.key&pass=secret", "rediss://host?key=a.key&pass=…"),
            ("sqlite:/home/me@work/tasks.db", "sqlite:/home/me@work/tasks.db"),
            ("redis://host\u{1b}[31m\n", "redis://host\\u{1b}[31m"),
        ] {
            assert_eq!(without_password(given), shown);
        }
    }

    #[test]
    fn no_sentence_shows_a_password() {
        let signs = ["", "/", "?", "#", "@", "%", ":", "://", "&", "=", " ", "\n", "[", "?namespace="];
        for start in [
            "redis://",
            "rediss://",
            "redis:",
            "redis+unix://",
            "sqlite://",
            "http://",
            "unix://",
            "",
            "kafka://",
            "://",
        ] {
            for user in ["", "secret", "me"] {
                for sign in signs {
                    let url = format!("{start}{user}:secret{sign}secret@host:1/2");
                    let said = format!("{} {:?}", without_password(&url), BrokerUrl::parse(&url));
                    assert!(!said.contains("secret"), "{url:?}: {said}");
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("", "it is empty"),
            ("localhost", "no scheme"),
            ("http://localhost", "the scheme `http` is not known"),
            ("kafka://localhost", "the scheme `kafka` is not known"),
            ("kafka://me@localhost", "the scheme is not known"),
            ("redis://:a?b@host", "`?` `%3F`"),
            ("redis://:a/b@host", "`/` is written `%2F`"),
            ("redis://me:a#b@host/2", "`#` `%23`"),
            ("redis://localhost?namespace=a@b", "before its last `@`"),
            ("redis://local\u{7}host", "after 13 characters comes `\\u{7}`"),
            ("sqlite:tasks.db\nother", "after 15 characters comes `\\n`"),
            ("redis:localhost", "after `redis:` comes `//`"),
            ("redis://", "no host"),
            ("memory:x", "`x`: nothing comes after `memory:`"),
            ("sqlite:", "no file"),
            ("sqlite://host/a.db", "`//host` would be a host"),
            ("sqlite:a/", "`a/` is a folder"),
            ("sqlite::memory:", "`memory:` is a store in memory"),
            ("sqlite:a?sync=full", "the option `sync` is not known"),
            ("sqlite:a?synchronous=maybe", "`synchronous=maybe`"),
            ("redis://localhost?synchronous=full", "an option of `sqlite:`"),
            ("redis://localhost?namespace=", "its namespace is empty"),
            ("memory:?namespace", "the option `namespace` has no value"),
            ("memory:?secret", "after a `?` come options"),
        ] {
            let said = wrong(url);
            assert!(said.contains(part), "{url}: {said}");
        }
    }
}
