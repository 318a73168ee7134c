//! The error of starting and ending a server.

use std::fmt;
use std::io;
#[cfg(feature = "hand-over")]
use std::path::{Path, PathBuf};

#[cfg(feature = "tls")]
use crate::transport::TlsError;

/// The result of the server's own calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a server did not start or did not end well.
#[derive(Debug)]
pub struct Error(Kind);

#[derive(Debug)]
enum Kind {
    /// A field of the configuration, and what is wrong with it.
    Config {
        field: &'static str,
        message: String,
    },
    Bind {
        target: String,
        source: io::Error,
    },
    #[cfg(feature = "tls")]
    Tls(TlsError),
    #[cfg(feature = "hand-over")]
    HandOver {
        path: PathBuf,
        source: io::Error,
    },
    System {
        what: &'static str,
        source: io::Error,
    },
    Panicked {
        thread: String,
    },
}

impl Error {
    /// The configuration is wrong; the message names the field.
    #[must_use]
    pub fn is_config(&self) -> bool {
        matches!(self.0, Kind::Config { .. })
    }

    /// An address cannot be listened on.
    #[must_use]
    pub fn is_bind(&self) -> bool {
        matches!(self.0, Kind::Bind { .. })
    }

    /// Certificates, keys or authorities cannot be used; the message names the file.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self.0, Kind::Tls(_))
    }

    /// The server that runs could not be succeeded, or no successor could come to this one.
    #[cfg(feature = "hand-over")]
    #[must_use]
    pub fn is_hand_over(&self) -> bool {
        matches!(self.0, Kind::HandOver { .. })
    }

    /// The name of the wrong field, if the configuration is wrong.
    #[must_use]
    pub fn config_field(&self) -> Option<&'static str> {
        match self.0 {
            Kind::Config { field, .. } => Some(field),
            _ => None,
        }
    }

    pub(super) fn config(field: &'static str, message: impl Into<String>) -> Self {
        Self(Kind::Config { field, message: message.into() })
    }

    pub(super) fn bind(target: String, source: io::Error) -> Self {
        Self(Kind::Bind { target, source })
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls(error: TlsError) -> Self {
        Self(Kind::Tls(error))
    }

    #[cfg(feature = "hand-over")]
    pub(super) fn hand_over(path: &Path, source: io::Error) -> Self {
        Self(Kind::HandOver { path: path.to_owned(), source })
    }

    pub(super) fn system(what: &'static str, source: io::Error) -> Self {
        Self(Kind::System { what, source })
    }

    pub(super) fn panicked(thread: &str) -> Self {
        Self(Kind::Panicked { thread: thread.to_owned() })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Config { field, message } => write!(f, "`{field}`: {message}"),
            Kind::Bind { target, source } => write!(f, "cannot listen on {target}: {source}"),
            #[cfg(feature = "tls")]
            Kind::Tls(error) => write!(f, "TLS: {error}"),
            #[cfg(feature = "hand-over")]
            Kind::HandOver { path, source } => {
                write!(f, "cannot hand over at {}: {source}", path.display())
            }
            Kind::System { what, source } => write!(f, "{what}: {source}"),
            Kind::Panicked { thread } => write!(f, "thread `{thread}` panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            #[cfg(feature = "tls")]
            Kind::Tls(error) => error.source(),
            #[cfg(feature = "hand-over")]
            Kind::HandOver { source, .. } => Some(source),
            Kind::Bind { source, .. } | Kind::System { source, .. } => Some(source),
            Kind::Config { .. } | Kind::Panicked { .. } => None,
        }
    }
}
