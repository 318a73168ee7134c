//! What can be wrong with the settings of TLS.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why settings of TLS cannot be used. Each names the file that it is about and says what to do.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}. Check the path and that this user may read it", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is damaged PEM.
    #[error("{} is not well-formed PEM: {message}. It has to hold `-----BEGIN ...-----` sections", path.display())]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A file has no certificate in it.
    #[error("{} holds no certificate: give a PEM file with `-----BEGIN CERTIFICATE-----`, the server's own first and then its intermediates", .0.display())]
    NoCertificate(PathBuf),
    /// A file has no private key in it.
    #[error("{} holds no private key: give a PEM file with `-----BEGIN PRIVATE KEY-----` (PKCS#8), or an RSA or EC key; an encrypted key has to be decrypted first", .0.display())]
    NoPrivateKey(PathBuf),
    /// A private key that cannot be used.
    #[error("the private key in {} cannot be used: {message}. Give an RSA key of 2048 bits or more, ECDSA P-256 or P-384, or Ed25519", path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A certificate that cannot be used.
    #[error("the certificate in {} cannot be used: {message}", path.display())]
    UnusableCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Certificate and key do not belong together.
    #[error("the private key in {} does not belong to the certificate in {}: give the key that the certificate was made for", key.display(), certificate.display())]
    KeyMismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The platform has no certificate authorities that could be used.
    #[error(
        "no certificate authority of the platform can be used{0}: install its `ca-certificates`, or give a file of authorities"
    )]
    NoPlatformRoots(String),
    /// A name that no certificate can be for.
    #[error("`{0}` is neither a host's name nor an IP address")]
    InvalidName(String),
    /// Files were added to a configuration of the service's own.
    #[error(
        "files were added to a `ServerConfig` of the service's own: add certificates and authorities to that one"
    )]
    FilesBesideConfig,
    /// A configuration of the service's own that takes early data.
    #[error("`max_early_data_size` is {0}: set it to 0, early data can be replayed by an attacker")]
    EarlyData(u32),
    /// rustls refuses.
    #[error("TLS cannot be set up: {0}")]
    Refused(#[from] rustls::Error),
}
