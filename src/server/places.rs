//! Where a server listens.

#[cfg(feature = "tls")]
use std::sync::Arc;

use super::{Error, Result};
use crate::transport::{BindTarget, Inherited, Listener, LocalAddr, SocketOptions};
#[cfg(feature = "tls")]
use crate::transport::{Tls, TlsAcceptor};

/// Where a server shall listen, and how.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) place: BindTarget,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
}

impl From<BindTarget> for Target {
    fn from(place: BindTarget) -> Self {
        Self {
            place,
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

/// Where a server has come to listen.
#[derive(Debug, Default)]
pub(super) struct Places {
    pub(super) local_addrs: Vec<LocalAddr>,
    /// One for each target with TLS.
    #[cfg(feature = "tls")]
    acceptors: Vec<Arc<TlsAcceptor>>,
}

impl Places {
    /// Listens at all of them, or at none.
    pub(super) fn bind(
        targets: Vec<Target>,
        options: &SocketOptions,
        mut inherited: Inherited,
    ) -> Result<(Self, Vec<Listener>)> {
        if targets.is_empty() {
            return Err(Error::config(
                "bind",
                "no address to listen on: call `bind` at least once",
            ));
        }
        let (mut places, mut listeners) = (Self::default(), Vec::new());
        for target in targets {
            listeners.extend(places.add(target, options, &mut inherited)?);
        }
        Ok((places, listeners))
    }

    fn add(
        &mut self,
        target: Target,
        options: &SocketOptions,
        inherited: &mut Inherited,
    ) -> Result<Vec<Listener>> {
        #[cfg(feature = "tls")]
        let acceptor = target.tls.map(TlsAcceptor::new).transpose().map_err(Error::tls)?;
        let name = name(&target.place);
        let listeners = Listener::bind(target.place, options, inherited)
            .map_err(|error| Error::bind(name, error))?;
        for listener in &listeners {
            let address = listener
                .local_addr()
                .map_err(|error| Error::system("a listener has no address", error))?;
            self.local_addrs.push(address);
        }
        #[cfg(feature = "tls")]
        if let Some(acceptor) = acceptor.map(Arc::new) {
            self.acceptors.push(acceptor.clone());
            let secure = |listener: Listener| listener.with_tls(acceptor.clone());
            return Ok(listeners.into_iter().map(secure).collect());
        }
        Ok(listeners)
    }

    /// Reads the files of all TLS listeners again.
    #[cfg(feature = "tls")]
    pub(super) fn reload_tls(&self) -> Result<()> {
        // All are tried: one listener's damaged file keeps no other from its good ones.
        let results = self.acceptors.iter().map(|acceptor| acceptor.reload());
        results.fold(Ok(()), Result::and).map_err(Error::tls)
    }
}

fn name(place: &BindTarget) -> String {
    match place {
        BindTarget::Tcp(address) => address.clone(),
        BindTarget::Unix(path) => format!("unix:{}", path.display()),
        BindTarget::Proxied(place, _) => name(place),
        BindTarget::TcpListener(_) | BindTarget::UnixListener(_) => "an inherited socket".into(),
    }
}
