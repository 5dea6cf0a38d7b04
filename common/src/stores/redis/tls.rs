//! TLS on the way to the server. Everybody is checked: there is no mode that trusts a certificate unseen.
//!
//! The client crate could speak TLS by itself, on sockets that it opens by itself; but bytes that move are counted below TLS
//! (`stream.rs`), so it begins here.

use std::fs;
use std::io;
use std::sync::Arc;

use redis::RedisError;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{
    AlertDescription, CertificateError, ClientConfig, Error as TlsError, RootCertStore, crypto::ring,
};

use super::error::refusal;
use super::stream::Stream;
use crate::error::StoreError;
use crate::url::TlsFiles;

/// How TLS begins with one server.
#[derive(Debug)]
pub(super) struct Tls {
    host: String,
    port: u16,
    /// Whom the certificate has to name.
    name: ServerName<'static>,
    files: TlsFiles,
    /// The roots that the system trusts, where none are named.
    system: Arc<RootCertStore>,
}

impl Tls {
    /// Reads the files once, so that a wrong one is known at once.
    pub(super) fn new(host: &str, port: u16, files: &TlsFiles) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| "its host has no name for TLS".to_owned())?;
        let system = Arc::new(if files.ca.is_some() { RootCertStore::empty() } else { system_roots()? });
        let tls = Self { host: host.to_owned(), port, name, files: files.clone(), system };
        tls.config()?;
        Ok(tls)
    }

    /// What is trusted and shown now.
    fn config(&self) -> Result<ClientConfig, String> {
        let roots = match &self.files.ca {
            Some(path) => Arc::new(roots_in(path)?),
            None => Arc::clone(&self.system),
        };
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots);
        let Some((cert, key)) = &self.files.identity else { return Ok(config.with_no_client_auth()) };
        let chain = certificates("cert", cert)?;
        let private = PrivateKeyDer::from_pem_slice(&read("key", key)?)
            .map_err(|error| format!("`key={key}` holds no private key in PEM format: {error}"))?;
        config
            .with_client_auth_cert(chain, private)
            .map_err(|error| format!("`cert={cert}` and `key={key}` do not go together: {error}"))
    }

    /// Begins TLS on a connection.
    pub(super) async fn begin(&self, stream: Stream) -> Result<TlsStream<Stream>, StoreError> {
        let config = self.config().map_err(StoreError::Refused)?;
        let begun = TlsConnector::from(Arc::new(config)).connect(self.name.clone(), stream).await;
        begun.map_err(|error| self.explain(&error))
    }

    /// What the server refused after TLS had begun, if it is about TLS.
    pub(super) fn refused(&self, error: &RedisError) -> Option<StoreError> {
        // The client hands on the text of what happened on the connection.
        let told = error.to_string();
        let alert = told.split_once("received fatal alert: ")?.1;
        if alert.starts_with("CertificateRequired") || alert.starts_with("HandshakeFailure") {
            return Some(StoreError::Refused(self.of_identity()));
        }
        Some(match refusal(error) {
            StoreError::Unreachable(_) => StoreError::Refused(self.alert(alert)),
            other => other,
        })
    }

    /// What went wrong at the beginning, and what to do.
    fn explain(&self, error: &io::Error) -> StoreError {
        let Self { host, port, .. } = self;
        let plain = format!("a server without TLS would be at redis://{host}:{port}");
        let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>()) else {
            return StoreError::Unreachable(format!("{error}: the connection ends where TLS begins; {plain}"));
        };
        StoreError::Refused(match cause {
            TlsError::InvalidCertificate(cause) => self.of_certificate(cause),
            TlsError::InvalidMessage(_) | TlsError::InappropriateMessage { .. } => {
                format!("what answers there does not speak TLS ({cause}): {plain}")
            }
            TlsError::AlertReceived(AlertDescription::CertificateRequired | AlertDescription::HandshakeFailure) => {
                self.of_identity()
            }
            TlsError::AlertReceived(alert) => self.alert(&format!("{alert:?}")),
            TlsError::PeerIncompatible(cause) => {
                format!("the server speaks no TLS 1.2 or 1.3 that is known here ({cause:?})")
            }
            cause => format!("no TLS with the server: {cause}"),
        })
    }

    fn of_certificate(&self, cause: &CertificateError) -> String {
        let Self { host, files, .. } = self;
        match cause {
            CertificateError::UnknownIssuer => match &files.ca {
                Some(ca) => format!("the server's certificate is signed by nobody in `ca={ca}`"),
                None => "the server's certificate is signed by nobody whom this system trusts: name the file with its \
                         authority's certificate, `?ca=FILE`"
                    .to_owned(),
            },
            CertificateError::BadSignature => {
                let trusted =
                    files.ca.as_ref().map_or("the system's authorities".to_owned(), |ca| format!("`ca={ca}`"));
                format!("the server's certificate is signed in the name of somebody in {trusted}, but by somebody else")
            }
            CertificateError::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
                let names: Vec<_> = presented.iter().map(|name| readable(name)).collect();
                format!(
                    "the server's certificate is not for `{host}`, but for {}: take that as the URL's host, or have a \
                     certificate made for `{host}`",
                    names.join(", ")
                )
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the server's certificate is not for `{host}`: have one made that names it")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired, or this machine's clock is wrong: have it renewed".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet, or this machine's clock is wrong".to_owned()
            }
            other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                "the server's certificate is an authority's own: have one signed for the server by it".to_owned()
            }
            other => format!("the server's certificate is not accepted: {other}"),
        }
    }

    fn of_identity(&self) -> String {
        match &self.files.identity {
            None => "the server wants a certificate from its clients: name the files, `?cert=FILE&key=FILE`".to_owned(),
            Some((cert, _)) => format!("the server does not accept the certificate of `cert={cert}`"),
        }
    }

    fn alert(&self, alert: &str) -> String {
        match &self.files.identity {
            Some((cert, _)) => format!("the server refuses TLS with the certificate of `cert={cert}`: {alert}"),
            None => format!("the server refuses TLS: {alert}"),
        }
    }
}

/// A name as certificates are printed with: `DnsName("host")`.
fn readable(name: &str) -> String {
    let bare = name.split_once("(\"").and_then(|(_, rest)| rest.strip_suffix("\")"));
    format!("`{}`", bare.unwrap_or(name))
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems keep a few that cannot be read.
    roots.add_parsable_certificates(found.certs);
    match (roots.is_empty(), found.errors.first()) {
        (false, _) => Ok(roots),
        (true, Some(error)) => Err(format!("this system's trusted certificates cannot be read ({error}): {NAME_ONE}")),
        (true, None) => Err(format!("this system has no trusted certificates: {NAME_ONE}")),
    }
}

/// The way out where a system trusts nobody.
const NAME_ONE: &str = "install them (`ca-certificates`), or name the file with the authority's, `?ca=FILE`";

fn roots_in(path: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca", path)? {
        roots.add(certificate).map_err(|error| format!("`ca={path}` holds a certificate of no authority: {error}"))?;
    }
    Ok(roots)
}

fn certificates(option: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let none = |why: String| format!("`{option}={path}` holds no certificate in PEM format{why}");
    let pem = read(option, path)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match found {
        Ok(found) if found.is_empty() => Err(none(String::new())),
        found => found.map_err(|error| none(format!(": {error}"))),
    }
}

fn read(option: &str, path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("`{option}={path}` cannot be read: {error}"))
}
