//! Files that servers are given.

use std::path::PathBuf;
use std::sync::Arc;
use std::{env, fs, process};

use tickwire::rustls::crypto::ring;
use tickwire::rustls::pki_types::CertificateDer;
use tickwire::rustls::pki_types::pem::PemObject;
use tickwire::rustls::version::TLS13;
use tickwire::rustls::{ClientConfig, RootCertStore};

use crate::Result;
use crate::market::Market;

/// Publications before the first one comes again: more than a window of 32 KiB holds.
const PUBLICATION_COUNT: usize = 64;
const PUBLICATION_LEN: usize = 1 << 10;

/// In a folder of this run's own; removed when dropped.
#[derive(Debug)]
pub(crate) struct Files {
    folder: PathBuf,
}

impl Files {
    pub(crate) fn create() -> Result<Self> {
        let folder = env::temp_dir().join(format!("peers-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let files = Self { folder };
        fs::write(files.identity(), make_identity()?)?;
        fs::write(files.publications(), publications())?;
        Ok(files)
    }

    /// A certificate and its key, in PEM.
    pub(crate) fn identity(&self) -> PathBuf {
        self.folder.join("identity.pem")
    }

    /// A client that trusts that certificate.
    pub(crate) fn client_config(&self) -> Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.identity())?)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }

    /// Messages to be published, a line each.
    pub(crate) fn publications(&self) -> PathBuf {
        self.folder.join("publications.txt")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What is left there does no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// ECDSA on P-256, as most public servers have it.
fn make_identity() -> Result<String> {
    let certified =
        rcgen::generate_simple_self_signed(["localhost", "127.0.0.1"].map(str::to_owned))?;
    Ok(format!("{}{}", certified.cert.pem(), certified.signing_key.serialize_pem()))
}

fn publications() -> Vec<u8> {
    let (mut market, mut lines) = (Market::new(), Vec::new());
    for count in 1..=PUBLICATION_COUNT {
        market.append(&mut lines, count * (PUBLICATION_LEN + 1) - 1);
        lines.push(b'\n');
    }
    lines
}
