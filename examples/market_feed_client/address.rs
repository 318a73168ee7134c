//! Where the feed is: `ws://HOST[:PORT][/PATH]`.

use std::str::FromStr;

/// A feed's address. `ws://` may be left out, and so may the path if it is the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    /// Host and port, to connect to.
    pub(crate) host: String,
    /// Path and query.
    pub(crate) target: String,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = match text.split_once("://") {
            None => text,
            Some(("ws", rest)) => rest,
            Some(("wss", _)) => {
                return Err("this client speaks no TLS: give a ws:// address".to_owned());
            }
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
        let host = if has_port { host.to_owned() } else { format!("{host}:80") };
        let target = if path == "/" { "/ws" } else { path }.to_owned();
        Ok(Self { host, target })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ws://{}{}", self.host, self.target)
    }
}
