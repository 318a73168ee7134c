//! Where the feed is: `ws://HOST[:PORT][/PATH]`, or the same with `wss://`.

use std::str::FromStr;

/// A feed's address. `ws://` may be left out, and so may the path if it is the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// With TLS.
    pub(crate) is_secure: bool,
    /// Host and port, to connect to.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) target: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (rest, is_secure) = match text.split_once("://") {
            None => (text, false),
            Some(("ws", rest)) => (rest, false),
            Some(("wss", rest)) => (rest, true),
            Some((scheme, _)) => {
                return Err(format!("{scheme}:// is no WebSocket address: give ws://HOST:PORT/ws"));
            }
        };
        let (host, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        if host.is_empty() || host.contains(['@', ' ']) {
            return Err("no host: give an address such as ws://127.0.0.1:8080/ws".to_owned());
        }
        // An IPv6 address is full of colons, but stands in brackets.
        let has_port = host.rfind(':') > host.rfind(']');
        let port = if is_secure { 443 } else { 80 };
        let host = if has_port { host.to_owned() } else { format!("{host}:{port}") };
        let target = if path == "/" { "/ws" } else { path }.to_owned();
        Ok(Self { is_secure, host, target })
    }
}

impl Address {
    /// What the server's certificate must be for: the host without its port.
    #[cfg(feature = "tls")]
    pub(crate) fn host_name(&self) -> &str {
        let name = self.host.rsplit_once(':').map_or(&*self.host, |(name, _)| name);
        name.trim_start_matches('[').trim_end_matches(']')
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.host, self.target)
    }
}
