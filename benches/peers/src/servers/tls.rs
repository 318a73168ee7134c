//! TLS 1.3 by rustls: one configuration for all who speak it.

use std::sync::Arc;

use tickwire::rustls::ServerConfig;
#[cfg(feature = "aws-lc-rs")]
use tickwire::rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "aws-lc-rs"))]
use tickwire::rustls::crypto::ring as provider;
use tickwire::rustls::pki_types::pem::PemObject;
use tickwire::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tickwire::rustls::version::TLS13;

use crate::Result;
use crate::entrant::Coding;
use crate::options::Serve;

/// `None`: the server does without.
pub(super) fn config(options: &Serve) -> Result<Option<Arc<ServerConfig>>> {
    let Some(identity) = options.file.as_ref().filter(|_| options.coding == Coding::Tls) else {
        return Ok(None);
    };
    let certificate = CertificateDer::from_pem_file(identity)?;
    let key = PrivateKeyDer::from_pem_file(identity)?;
    let config = ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    Ok(Some(Arc::new(config)))
}
