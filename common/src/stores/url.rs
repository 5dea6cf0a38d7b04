//! What a broker's URL says, and what is wrong with one that says nothing.

/// The parts of a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BrokerUrl {
    pub(super) place: Place,
    /// The namespace that the URL names.
    pub(super) namespace: Option<String>,
}

/// Where a broker is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Memory,
    /// The URL without our options.
    Redis(String),
    Sqlite {
        path: String,
        /// Whether each commit waits for the disk.
        full: bool,
    },
}

impl BrokerUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// A sentence that names the part that is wrong.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = url.split_once(':') else {
            return Err(if url.is_empty() {
                "it is empty".to_owned()
            } else {
                "it has no scheme: something like `redis:` or `sqlite:` has to come first".to_owned()
            });
        };
        let (rest, options) = match rest.split_once('?') {
            Some((rest, options)) => (rest, Options::parse(options)?),
            None => (rest, Options::default()),
        };
        let place = match scheme {
            "memory" if rest.is_empty() => Place::Memory,
            "memory" => return Err(format!("`{rest}`: nothing comes after `memory:`")),
            "redis" => redis(rest)?,
            "sqlite" => sqlite(rest, options.full.unwrap_or(false))?,
            "rediss" | "redis+unix" | "unix" => {
                return Err(format!("the scheme `{scheme}` is not supported yet; `redis://` is"));
            }
            _ => return Err(format!("the scheme `{scheme}` is not known")),
        };
        if options.full.is_some() && scheme != "sqlite" {
            return Err(format!("`synchronous` is an option of `sqlite:`, not of `{scheme}:`"));
        }
        Ok(Self { place, namespace: options.namespace })
    }
}

fn redis(rest: &str) -> Result<Place, String> {
    match rest.strip_prefix("//") {
        None => Err("after `redis:` comes `//`".to_owned()),
        Some("" | "/") => Err("it names no host".to_owned()),
        // What is wrong further on, the client says.
        Some(_) => Ok(Place::Redis(format!("redis:{rest}"))),
    }
}

fn sqlite(rest: &str, full: bool) -> Result<Place, String> {
    let path = match rest.strip_prefix("//") {
        // `sqlite:///path`, as others write it.
        Some(path) if path.starts_with('/') => path,
        Some(host) => {
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

/// What may follow after a `?`.
#[derive(Default)]
struct Options {
    namespace: Option<String>,
    full: Option<bool>,
}

impl Options {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for option in text.split('&') {
            match option.split_once('=') {
                Some(("namespace", "")) => return Err("its namespace is empty".to_owned()),
                Some(("namespace", name)) => options.namespace = Some(name.to_owned()),
                Some(("synchronous", "full")) => options.full = Some(true),
                Some(("synchronous", "normal")) => options.full = Some(false),
                Some(("synchronous", value)) => {
                    return Err(format!("`synchronous={value}`: it is `normal` or `full`"));
                }
                Some((name, _)) => {
                    return Err(format!("the option `{name}` is not known; there are `namespace` and `synchronous`"));
                }
                None => return Err(format!("the option `{option}` has no value: `NAME=VALUE`")),
            }
        }
        Ok(options)
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
        assert_eq!(BrokerUrl::parse("memory:"), plain(Place::Memory));
        assert_eq!(BrokerUrl::parse("redis://u:p@host:1/2"), plain(Place::Redis("redis://u:p@host:1/2".to_owned())));
        assert_eq!(BrokerUrl::parse("sqlite:a/b.db"), plain(file("a/b.db", false)));
        assert_eq!(BrokerUrl::parse("sqlite:///a/b.db"), plain(file("/a/b.db", false)));
        let both = BrokerUrl::parse("sqlite:/b.db?synchronous=full&namespace=n");
        assert_eq!(both, Ok(BrokerUrl { place: file("/b.db", true), namespace: Some("n".to_owned()) }));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (url, part) in [
            ("", "it is empty"),
            ("localhost", "no scheme"),
            ("http://localhost", "the scheme `http` is not known"),
            ("rediss://localhost", "the scheme `rediss` is not supported yet"),
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
        ] {
            let said = wrong(url);
            assert!(said.contains(part), "{url}: {said}");
        }
    }
}
