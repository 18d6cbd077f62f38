//! TLS for the listeners and for the senders: rustls with the `ring` provider named at each builder.
//!
//! The process has no default provider, as a second one in the dependency tree would make it panic at the first
//! handshake; see [`provider`].

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use sha2::{Digest, Sha256};

use crate::config::PartnerTls;

#[cfg(test)]
mod tests;

/// Name of the certificate made at first start, under `keys/`.
pub const CERTIFICATE_FILE: &str = "tls-certificate.pem";
/// Name of the key made at first start, under `keys/`.
pub const KEY_FILE: &str = "tls-key.pem";
/// Where Debian and its relatives keep the authorities a machine trusts.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What keeps a listener or a sender from speaking TLS. Fault of the operator; not retryable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no certificate or key in PEM form.
    #[error("{path}: expected {expected} in PEM form")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
    },
    /// The certificate and the key do not fit each other, or the library refuses them.
    #[error("the TLS settings do not hold: {0}")]
    Settings(#[from] rustls::Error),
    /// The authorities of clients hold nothing usable.
    #[error("{path}: no usable authority")]
    Authorities {
        /// The file.
        path: PathBuf,
    },
    /// The self-signed certificate could not be made.
    #[error("the certificate for localhost could not be made: {0}")]
    SelfSigned(#[from] rcgen::Error),
}

/// The one cryptography provider of this product.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Makes a self-signed certificate for this machine under `directory`, unless there is one, and names both files.
///
/// The key file is readable by its owner alone. The certificate holds for `localhost`, 127.0.0.1 and ::1 and is meant
/// for a first start; a real one is configured by `cert_file` and `key_file`.
///
/// # Errors
/// [`TlsError::File`] if the directory cannot be written.
pub fn self_signed(directory: &Path) -> Result<(PathBuf, PathBuf), TlsError> {
    let certificate = directory.join(CERTIFICATE_FILE);
    let key = directory.join(KEY_FILE);
    if certificate.exists() && key.exists() {
        return Ok((certificate, key));
    }
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    fs::create_dir_all(directory).map_err(at(directory))?;
    write_private(&key, made.signing_key.serialize_pem().as_bytes()).map_err(at(&key))?;
    fs::write(&certificate, made.cert.pem()).map_err(at(&certificate))?;
    Ok((certificate, key))
}

/// The settings of a listener. With `client_authorities` every client must show a certificate of one of them.
///
/// `protocols` are the ALPN names, best first; empty for protocols without (MLLP).
///
/// # Errors
/// What [`TlsError`] says, each naming the file.
pub fn server(
    certificate: &Path,
    key: &Path,
    client_authorities: Option<&Path>,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(certificate)?;
    let key = private_key(key)?;
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match client_authorities {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider())
                .build()
                .map_err(|_| TlsError::Authorities { path: path.to_owned() })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The settings of a sender. It trusts the authorities of the file, else those of the machine, and nothing besides.
///
/// # Errors
/// [`TlsError::Authorities`] or [`TlsError::Pem`] if there is no authority to trust.
pub fn client(authorities: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    partner(&PartnerTls { ca_file: authorities.map(Path::to_owned), ..PartnerTls::default() })
}

/// [`client`] that shows a certificate of ours, if one is configured, to a partner who asks for it.
///
/// # Errors
/// As [`client`]; [`TlsError::Settings`] if certificate and key do not fit each other.
pub fn partner(files: &PartnerTls) -> Result<Arc<ClientConfig>, TlsError> {
    let roots = roots(files.ca_file.as_deref().unwrap_or(Path::new(SYSTEM_AUTHORITIES)))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match (&files.cert_file, &files.key_file) {
        (Some(certificate), Some(key)) => {
            builder.with_client_auth_cert(certificates(certificate)?, private_key(key)?)?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

/// The SHA-256 of a certificate in lower case hex: how a configuration names a client's certificate.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    Sha256::digest(certificate.as_ref()).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|_| TlsError::Pem { path: path.to_owned(), expected: "a private key" })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let missing = || TlsError::Pem { path: path.to_owned(), expected: "a certificate" };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(path).map_err(|_| missing())?.collect::<Result<_, _>>().map_err(|_| missing())?;
    if chain.is_empty() { Err(missing()) } else { Ok(chain) }
}

fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut store = RootCertStore::empty();
    // Old authorities a system carries along may not parse; one unreadable certificate must not cost the others.
    let (added, _) = store.add_parsable_certificates(certificates(path)?);
    if added == 0 { Err(TlsError::Authorities { path: path.to_owned() }) } else { Ok(store) }
}

#[cfg(unix)]
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(not(unix))]
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> TlsError + '_ {
    move |source| TlsError::File { path: path.to_owned(), source }
}
