//! What a URL says of a Redis: who we are there, and which way leads to it.

use std::fmt;

use super::options::Options;
use super::percent::decoded;

/// A Redis. Its debug form shows no password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RedisPlace {
    /// User, password, host, port and database as the client reads them: `redis://…`. Where the way is a socket, host and
    /// port mean nothing.
    pub(crate) login: String,
    pub(crate) way: Way,
}

/// The way to a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    Tls(TlsFiles),
    /// The path of a Unix socket.
    Unix(String),
}

/// The files, in PEM format, that a TLS connection takes. They are read for each connection anew, for they may be renewed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    /// The only roots that are trusted, in place of the system's.
    pub(crate) ca: Option<String>,
    /// A certificate of our own, and its private key.
    pub(crate) identity: Option<(String, String)>,
}

impl fmt::Debug for RedisPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = super::without_password(&self.login);
        f.debug_struct("RedisPlace").field("login", &login).field("way", &self.way).finish()
    }
}

/// Reads what stands between the scheme and the options. What is wrong with a host, the client says.
pub(super) fn place(scheme: &str, rest: &str, options: &Options) -> Result<RedisPlace, String> {
    let Some(there) = rest.strip_prefix("//") else {
        return Err(format!("after `{scheme}:` comes `//`"));
    };
    if there.contains('#') {
        return Err("nothing comes after a `#` here: there is no mode that trusts everybody, and a `#` in a name is \
                    written `%23`"
            .to_owned());
    }
    if matches!(scheme, "redis+unix" | "unix") {
        return socket(scheme, there, options.db.unwrap_or(0));
    }
    if matches!(there, "" | "/") {
        return Err("it names no host".to_owned());
    }
    let way = match scheme {
        "rediss" => {
            let identity = options.cert.clone().zip(options.key.clone());
            Way::Tls(TlsFiles { ca: options.ca.clone(), identity })
        }
        _ => Way::Tcp,
    };
    Ok(RedisPlace { login: format!("redis://{there}"), way })
}

/// `[[USER]:PASSWORD@]/PATH`.
fn socket(scheme: &str, there: &str, db: i64) -> Result<RedisPlace, String> {
    let (login, path) = match there.rsplit_once('@') {
        Some((login, path)) => (format!("{login}@"), path),
        None => (String::new(), there),
    };
    match decoded(path)? {
        path if path.len() > 1 && path.starts_with('/') => {
            Ok(RedisPlace { login: format!("redis://{login}localhost/{db}"), way: Way::Unix(path) })
        }
        path if matches!(&*path, "" | "/") => Err("it names no socket".to_owned()),
        _ => Err(format!("the path of a socket begins with `/`: `{scheme}:///run/redis.sock`")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{BrokerUrl, Place};
    use super::*;

    fn read(url: &str) -> RedisPlace {
        match BrokerUrl::parse(url).expect(url).place {
            Place::Redis(place) => place,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_socket_is_named_by_its_path() {
        let place = read("redis+unix://me:se%40cret@/run/a%20b/redis.sock?db=3&namespace=n");
        assert_eq!(place.login, "redis://me:se%40cret@localhost/3");
        assert_eq!(place.way, Way::Unix("/run/a b/redis.sock".to_owned()));
        assert!(!format!("{place:?}").contains("cret"), "{place:?}");
        // As Python's client spells it.
        assert_eq!(read("unix:///run/redis.sock"), read("redis+unix:///run/redis.sock"));
        assert_eq!(read("redis+unix:///run/100%").way, Way::Unix("/run/100%".to_owned()));
    }

    #[test]
    fn files_of_tls_are_options() {
        let place = read("rediss://:p@host:1/2?ca=/etc/a%26b.pem&cert=me.pem&key=me.key");
        assert_eq!(place.login, "redis://:p@host:1/2");
        let identity = Some(("me.pem".to_owned(), "me.key".to_owned()));
        assert_eq!(place.way, Way::Tls(TlsFiles { ca: Some("/etc/a&b.pem".to_owned()), identity }));
        assert_eq!(read("rediss://host").way, Way::Tls(TlsFiles::default()));
    }

    #[test]
    fn what_is_wrong_with_a_way_is_named() {
        for (url, part) in [
            ("redis+unix://", "it names no socket"),
            ("redis+unix://:secret@", "it names no socket"),
            ("redis+unix://run/redis.sock", "begins with `/`: `redis+unix:///run/redis.sock`"),
            ("unix:/run/redis.sock", "after `unix:` comes `//`"),
            ("redis+unix:///a?db=x", "`db=x`: it is the number of a database"),
            ("redis+unix:///a?db=-1", "`db=-1`"),
            ("redis+unix:///a?password=secret", "stand before an `@`, as in `USER:PASSWORD@`"),
            ("redis+unix:///a?ca=b", "`ca` is an option of `rediss:`, not of `redis+unix:`"),
            ("redis+unix:///run/me@work/a", "`@` `%40`"),
            ("redis+unix:///a%ff", "no UTF-8"),
            ("redis+unix:///a%00", "a control character"),
            ("redis://host?db=1", "`db` is an option of `redis+unix:` and `unix:`, not of `redis:`"),
            ("redis://host?ca=a", "`ca` is an option of `rediss:`, not of `redis:`"),
            ("rediss://", "no host"),
            ("rediss://host/#insecure", "there is no mode that trusts everybody"),
            ("rediss://host?ca=", "`ca` names no file"),
            ("rediss://host?cert=a", "`cert` needs `key`"),
            ("rediss://host?key=a", "`key` needs `cert`"),
            ("rediss://host?insecure=1", "there are `namespace`, `ca`, `cert` and `key`"),
        ] {
            let said = BrokerUrl::parse(url).expect_err(url);
            assert!(said.contains(part) && !said.contains("secret"), "{url}: {said}");
        }
    }
}
