//! Whose PROXY headers are believed.

use std::net::IpAddr;

use super::{IpPrefix, IpPrefixError};

/// The proxies that a listener is behind. It takes connections from nobody else: a header says where
/// a client comes from, and whoever may send one may say anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    prefixes: Vec<IpPrefix>,
    unix: bool,
}

impl TrustedProxies {
    /// Proxies at these addresses: `["10.0.0.0/8", "fd00::7"]`.
    ///
    /// # Errors
    ///
    /// The first that is no prefix of IP addresses.
    pub fn at<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Result<Self, IpPrefixError> {
        let prefixes = prefixes.into_iter().map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { prefixes, unix: false })
    }

    /// Whoever may connect to a Unix-domain socket: its file's permissions decide.
    #[must_use]
    pub fn on_unix_sockets() -> Self {
        Self::default().and_on_unix_sockets()
    }

    /// Further proxies, at these addresses.
    #[must_use]
    pub fn and(mut self, prefix: impl Into<IpPrefix>) -> Self {
        self.prefixes.push(prefix.into());
        self
    }

    /// Also whoever may connect to a Unix-domain socket.
    #[must_use]
    pub fn and_on_unix_sockets(mut self) -> Self {
        self.unix = true;
        self
    }

    /// Whether a peer is among them; `None` is the peer of a Unix-domain socket.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            Some(ip) => self.prefixes.iter().any(|prefix| prefix.contains(ip)),
            None => self.unix,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_is_named_is_trusted() {
        let local: IpAddr = [127, 0, 0, 1].into();
        let named = TrustedProxies::at(["10.0.0.0/8", "::1"]).expect("prefixes");
        let trusted = |proxies: &TrustedProxies| {
            [Some([10, 1, 1, 1].into()), Some(local), "::1".parse().ok(), None]
                .map(|peer| proxies.trusts(peer))
        };
        assert_eq!(trusted(&TrustedProxies::default()), [false; 4]);
        assert_eq!(trusted(&named), [true, false, true, false]);
        assert_eq!(trusted(&TrustedProxies::on_unix_sockets()), [false, false, false, true]);
        assert_eq!(trusted(&named.and(local).and_on_unix_sockets()), [true; 4]);
        assert!(TrustedProxies::at(["10.0.0.0/8", "proxy.example"]).is_err());
    }
}
