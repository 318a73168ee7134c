//! Certificates made for a run, and a blocking TLS client.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustix::io::Errno;
use rustix::net::SendFlags;
use tickwire::Tls;
use tickwire::rustls::pki_types::pem::PemObject;
use tickwire::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tickwire::rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};

/// The name that servers under test are asked for.
pub(crate) const NAME: &str = "test.example";

/// Somebody who issues certificates.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).expect("no names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("an authority") }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// For servers of these names, and for clients.
    pub(crate) fn issue(&self, names: &[&str]) -> Identity {
        self.issue_by(names, |_| {})
    }

    pub(crate) fn issue_expired(&self, names: &[&str]) -> Identity {
        self.issue_by(names, |params| {
            params.not_before = date_time_ymd(2000, 1, 1);
            params.not_after = date_time_ymd(2001, 1, 1);
        })
    }

    fn issue_by(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate").pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// Trusts servers that show a certificate of this authority.
    pub(crate) fn client(&self) -> ClientConfig {
        self.client_with(tickwire::rustls::DEFAULT_VERSIONS, None)
    }

    pub(crate) fn client_with(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).expect("an authority");
        let provider = Arc::new(tickwire::rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("versions")
            .with_root_certificates(roots);
        match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { certificate, key }) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                let chain = vec![certificate.expect("a certificate")];
                builder.with_client_auth_cert(chain, key).expect("an identity")
            }
        }
    }
}

/// Writes a file for this test's servers to read; the name must be the test's own.
pub(crate) fn write_file(name: &str, contents: &str) -> PathBuf {
    let path = folder().join(name);
    std::fs::write(&path, contents).expect("a file");
    path
}

/// A folder of this run alone: another one may be under way. What runs that are over have left goes.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let runs = Path::new(env!("CARGO_TARGET_TMPDIR")).join("certificates");
        let own = runs.join(std::process::id().to_string());
        std::fs::create_dir_all(&own).expect("a folder");
        for run in std::fs::read_dir(runs).into_iter().flatten().flatten() {
            if Path::new("/proc/self").exists()
                && !Path::new("/proc").join(run.file_name()).exists()
            {
                // Whoever else has noticed may be quicker.
                let _ = std::fs::remove_dir_all(run.path());
            }
        }
        own
    })
}

/// The authority that tests use unless they have one of their own.
pub(crate) fn authority() -> &'static Authority {
    static AUTHORITY: OnceLock<Authority> = OnceLock::new();
    AUTHORITY.get_or_init(|| Authority::new("an authority for tests"))
}

/// The files that servers under test are set up with.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// Who has issued that certificate.
    pub(crate) authority: PathBuf,
}

pub(crate) fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let Identity { certificate, key } = authority().issue(&[NAME, "localhost", "127.0.0.1"]);
        Files {
            certificate: write_file("server.pem", &certificate),
            key: write_file("server.key", &key),
            authority: write_file("authority.pem", &authority().pem()),
        }
    })
}

/// What servers under test are set up with.
pub(crate) fn server_tls() -> Tls {
    Tls::from_files(&files().certificate, &files().key)
}

/// What clients are set up with.
pub(crate) fn client_config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    CONFIG.get_or_init(|| Arc::new(authority().client())).clone()
}

/// TLS on a blocking socket; one thread may read while another writes.
#[derive(Debug)]
pub(crate) struct TlsSocket {
    pub(crate) tcp: TcpStream,
    session: Mutex<ClientConnection>,
    /// Decrypted and not read.
    opened: Mutex<VecDeque<u8>>,
    /// Encrypted and not taken by the socket.
    unsent: Mutex<Vec<u8>>,
}

impl TlsSocket {
    /// With the handshake done.
    pub(crate) fn connect(
        mut tcp: TcpStream,
        config: Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut session = ClientConnection::new(config, name).expect("a client");
        while session.is_handshaking() || session.wants_write() {
            session.complete_io(&mut tcp)?;
        }
        let (opened, unsent) = (Mutex::default(), Mutex::default());
        Ok(Self { tcp, session: Mutex::new(session), opened, unsent })
    }

    pub(crate) fn session(&self) -> MutexGuard<'_, ClientConnection> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// 0 is the server's `close_notify`; `UnexpectedEof` the end of the stream without one.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            self.open(&mut opened, &[])?;
            if !opened.is_empty() {
                return opened.read(buffer);
            }
            match self.session().reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                end => return end,
            }
            let mut piece = [0; 32 * 1024];
            let len = (&self.tcp).read(&mut piece)?;
            if len == 0 {
                self.session().read_tls(&mut io::empty())?;
            }
            self.open(&mut opened, &piece[..len])?;
        }
    }

    /// Decrypts all that has been received.
    fn open(&self, opened: &mut VecDeque<u8>, mut received: &[u8]) -> io::Result<()> {
        loop {
            let mut session = self.session();
            if !received.is_empty() {
                session.read_tls(&mut received)?;
            }
            let processed = session.process_new_packets();
            let mut piece = [0; 16 * 1024];
            while let Ok(len @ 1..) = session.reader().read(&mut piece) {
                opened.extend(&piece[..len]);
            }
            // What the server does not take must not keep us from reading.
            let wants_write = session.wants_write();
            drop(session);
            if wants_write {
                self.flush_at_once()?;
            }
            processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            if received.is_empty() {
                return Ok(());
            }
        }
    }

    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let written = self.session().writer().write(bytes)?;
        match self.flush() {
            Err(error) if error.kind() != ErrorKind::WouldBlock => Err(error),
            _ => Ok(written),
        }
    }

    pub(crate) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        if how != Shutdown::Read {
            self.say_goodbye()?;
        }
        self.tcp.shutdown(how)
    }

    /// Sends `close_notify` and nothing else.
    pub(crate) fn say_goodbye(&self) -> io::Result<()> {
        self.session().send_close_notify();
        self.flush()
    }

    pub(crate) fn flush(&self) -> io::Result<()> {
        let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        let mut session = self.session();
        while session.wants_write() {
            session.write_tls(&mut *unsent)?;
        }
        drop(session);
        while !unsent.is_empty() {
            let len = (&self.tcp).write(&unsent)?;
            unsent.drain(..len);
        }
        Ok(())
    }

    /// For the reader: writes no more than the socket takes at once. A server that waits for its answers
    /// to be read takes nothing, and a reader that waited for it would wait for ever. Whoever writes
    /// meanwhile writes all there is.
    fn flush_at_once(&self) -> io::Result<()> {
        let Ok(mut unsent) = self.unsent.try_lock() else { return Ok(()) };
        let mut session = self.session();
        while session.wants_write() {
            session.write_tls(&mut *unsent)?;
        }
        drop(session);
        while !unsent.is_empty() {
            match rustix::net::send(&self.tcp, &unsent, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(len) => drop(unsent.drain(..len)),
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
