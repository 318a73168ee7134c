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

impl Target {
    /// Does what can be done before anything is bound: names are resolved, and the files of TLS are read.
    pub(super) fn prepare(self) -> Result<Prepared> {
        let name = name(&self.place);
        Ok(Prepared {
            places: self.place.resolve().map_err(|error| Error::bind(name.clone(), error))?,
            name,
            #[cfg(feature = "tls")]
            acceptor: self.tls.map(TlsAcceptor::new).transpose().map_err(Error::tls)?.map(Arc::new),
        })
    }
}

/// A target that is ready to be bound.
#[derive(Debug)]
pub(super) struct Prepared {
    /// As it was given.
    name: String,
    places: Vec<BindTarget>,
    #[cfg(feature = "tls")]
    acceptor: Option<Arc<TlsAcceptor>>,
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
        targets: Vec<Prepared>,
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
        target: Prepared,
        options: &SocketOptions,
        inherited: &mut Inherited,
    ) -> Result<Vec<Listener>> {
        let mut listeners = Vec::new();
        for place in target.places {
            let bound = Listener::bind(place, options, inherited);
            listeners.extend(bound.map_err(|error| Error::bind(target.name.clone(), error))?);
        }
        for listener in &listeners {
            let address = listener
                .local_addr()
                .map_err(|error| Error::system("a listener has no address", error))?;
            self.local_addrs.push(address);
        }
        #[cfg(feature = "tls")]
        if let Some(acceptor) = target.acceptor {
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
