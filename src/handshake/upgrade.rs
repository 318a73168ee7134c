//! An application's answer to an opening handshake that it accepts.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::HandshakeError;
use super::request::Request;
use super::token::is_token;

/// The answer that accepts a handshake, with the state that the new connection begins with.
///
/// ```
/// use http::{HeaderValue, StatusCode, header::SET_COOKIE};
/// use tickwire::handshake::{Refusal, Request, Upgrade};
///
/// struct Session {
///     user: String,
/// }
///
/// fn upgrade(request: &Request) -> Result<Upgrade<Session>, Refusal> {
///     let (_, user) = request
///         .cookies()
///         .find(|(name, _)| *name == "user")
///         .ok_or(StatusCode::UNAUTHORIZED)?;
///     let mut upgrade = Upgrade::new(Session { user: user.to_owned() })
///         .header(SET_COOKIE, HeaderValue::from_static("seen=1"));
///     if let Some(subprotocol) = request.choose_subprotocol(&["chat.v2", "chat.v1"]) {
///         upgrade = upgrade.subprotocol(subprotocol);
///     }
///     Ok(upgrade)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Upgrade<S> {
    state: S,
    subprotocol: Option<String>,
    headers: HeaderMap,
}

impl<S> Upgrade<S> {
    /// Accepts, without a subprotocol.
    pub fn new(state: S) -> Self {
        Self { state, subprotocol: None, headers: HeaderMap::new() }
    }

    /// Says which subprotocol the connection will speak. It must be one that the client offers;
    /// see [`Request::choose_subprotocol`].
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// Adds a header to the response. Those that the handshake itself is made of cannot be added:
    /// `Upgrade`, `Connection`, `Host`, `Content-Length`, `Transfer-Encoding` and all
    /// `Sec-WebSocket-*` are not sent.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Checks that this answers `request`: a subprotocol that the client did not offer would make
    /// it drop the connection (RFC 6455 §4.1).
    ///
    /// # Errors
    /// [`HandshakeError::SubprotocolNotOffered`], which is the application's mistake.
    pub fn check(&self, request: &Request) -> Result<(), HandshakeError> {
        match &self.subprotocol {
            Some(chosen)
                if !is_token(chosen.as_bytes())
                    || !request.subprotocols().any(|offer| offer == chosen) =>
            {
                Err(HandshakeError::SubprotocolNotOffered)
            }
            _ => Ok(()),
        }
    }

    /// The state, the subprotocol and the headers to send.
    pub fn into_parts(self) -> (S, Option<String>, HeaderMap) {
        (self.state, self.subprotocol, self.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SAMPLE_REQUEST, request};
    use super::*;

    #[test]
    fn only_an_offered_subprotocol_may_be_chosen() {
        let request = request(SAMPLE_REQUEST);
        assert_eq!(Upgrade::new(()).check(&request), Ok(()));
        for offered in ["chat", "superchat"] {
            assert_eq!(Upgrade::new(()).subprotocol(offered).check(&request), Ok(()));
        }
        for other in ["", "Chat", "chat, superchat", "other"] {
            let result = Upgrade::new(()).subprotocol(other).check(&request);
            assert_eq!(result, Err(HandshakeError::SubprotocolNotOffered), "{other:?}");
        }
    }

    #[test]
    fn the_parts_are_those_put_in() {
        let (state, subprotocol, headers) = Upgrade::new(7)
            .subprotocol("chat")
            .header(HeaderName::from_static("x-a"), HeaderValue::from_static("1"))
            .header(HeaderName::from_static("x-a"), HeaderValue::from_static("2"))
            .into_parts();
        assert_eq!((state, subprotocol.as_deref()), (7, Some("chat")));
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
