//! An application's answer to an opening handshake that it does not accept.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};

use super::error::HandshakeError;
use super::response::Response;

/// The answer that refuses a handshake (RFC 6455 §4.2.2, step 2): any HTTP response but an
/// upgrade.
///
/// Often a status says enough: it converts into a refusal, so that `?` and `into()` do.
///
/// ```
/// use http::{HeaderValue, StatusCode, header::LOCATION};
/// use tickwire::handshake::Refusal;
///
/// let refusal = Refusal::from(StatusCode::FORBIDDEN);
/// let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS).body("text/plain", "try later\n");
/// let refusal = Refusal::new(StatusCode::TEMPORARY_REDIRECT)
///     .header(LOCATION, HeaderValue::from_static("wss://other.example/chat"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(
    /// Boxed: a refusal is the rare branch of a `Result` that is passed around by value.
    Box<Response>,
);

impl Refusal {
    /// Refuses with `status` and no content. A status of 1xx becomes 500, as in
    /// [`Response::new`].
    pub fn new(status: StatusCode) -> Self {
        Self(Box::new(Response::new(status)))
    }

    /// Adds a header, as [`Response::header`] does.
    #[must_use]
    pub fn header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self(Box::new(self.0.header(name, value)))
    }

    /// Sets the content, as [`Response::body`] does. Browsers show it to nobody; other clients
    /// may log it.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self(Box::new(self.0.body(content_type, body)))
    }

    /// The response to send.
    pub fn response(&self) -> &Response {
        &self.0
    }

    /// The response to send.
    pub fn into_response(self) -> Response {
        *self.0
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl From<Response> for Refusal {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<HandshakeError> for Refusal {
    fn from(error: HandshakeError) -> Self {
        Self(Box::new(error.to_response()))
    }
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn a_refusal_is_a_response() {
        let refusal = Refusal::new(StatusCode::SERVICE_UNAVAILABLE)
            .header(RETRY_AFTER, HeaderValue::from_static("5"))
            .body("text/plain", "full");
        assert_eq!(refusal.response().content(), "full");
        let expected = Response::text("full")
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .header(RETRY_AFTER, HeaderValue::from_static("5"))
            .body("text/plain", "full");
        assert_eq!(refusal.into_response(), expected);
    }

    #[test]
    fn it_never_accepts() {
        let refusal = Refusal::from(StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(refusal.response().status(), StatusCode::INTERNAL_SERVER_ERROR);
        let refusal = Refusal::from(HandshakeError::MalformedKey);
        assert_eq!(refusal.response().status(), StatusCode::BAD_REQUEST);
    }
}
