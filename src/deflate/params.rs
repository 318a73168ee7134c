//! The four parameters on the wire (RFC 7692 §7.1).

use super::WindowBits;

/// The extension's registered name (RFC 7692 §9.1).
pub const EXTENSION_NAME: &str = "permessage-deflate";

const SERVER_NO_CONTEXT_TAKEOVER: &str = "server_no_context_takeover";
const CLIENT_NO_CONTEXT_TAKEOVER: &str = "client_no_context_takeover";
const SERVER_MAX_WINDOW_BITS: &str = "server_max_window_bits";
const CLIENT_MAX_WINDOW_BITS: &str = "client_max_window_bits";

/// The parameters of an offer or of a response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// The server compresses each message by itself (RFC 7692 §7.1.1.1).
    pub server_no_context_takeover: bool,
    /// The client compresses each message by itself (RFC 7692 §7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The server refers back no further (RFC 7692 §7.1.2.1).
    pub server_max_window_bits: Option<WindowBits>,
    /// The client refers back no further (RFC 7692 §7.1.2.2). In an offer it says that the client can
    /// be asked for less; without a value it is 15.
    pub client_max_window_bits: Option<WindowBits>,
}

/// Parameters that an offer or a response must not have: an unknown one, one that comes twice, or a
/// value where none belongs, none where one does, or one that is none. Such an offer is declined,
/// and such a response fails the connection (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid parameters of permessage-deflate")]
pub struct InvalidParams;

/// Where parameters stand. They differ in one value only: see [`Params::client_max_window_bits`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Offer,
    Response,
}

impl Params {
    /// Reads an offer's parameters: names, and values if there are any.
    ///
    /// # Errors
    /// [`InvalidParams`]: the offer is to be declined.
    pub fn decode_offer<'a>(
        params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, InvalidParams> {
        Self::decode(params, Place::Offer)
    }

    /// Reads a response's parameters.
    ///
    /// # Errors
    /// [`InvalidParams`]: the connection is to be failed.
    pub fn decode_response<'a>(
        params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, InvalidParams> {
        Self::decode(params, Place::Response)
    }

    fn decode<'a>(
        params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
        place: Place,
    ) -> Result<Self, InvalidParams> {
        let mut decoded = Self::default();
        for (name, value) in params {
            let repeated = match name {
                SERVER_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    std::mem::replace(&mut decoded.server_no_context_takeover, true)
                }
                CLIENT_NO_CONTEXT_TAKEOVER if value.is_none() => {
                    std::mem::replace(&mut decoded.client_no_context_takeover, true)
                }
                SERVER_MAX_WINDOW_BITS => {
                    let bits = value.and_then(WindowBits::decode).ok_or(InvalidParams)?;
                    decoded.server_max_window_bits.replace(bits).is_some()
                }
                CLIENT_MAX_WINDOW_BITS => {
                    let bits = match value {
                        None if place == Place::Offer => Some(WindowBits::MAX),
                        value => value.and_then(WindowBits::decode),
                    };
                    decoded.client_max_window_bits.replace(bits.ok_or(InvalidParams)?).is_some()
                }
                _ => return Err(InvalidParams),
            };
            if repeated {
                return Err(InvalidParams);
            }
        }
        Ok(decoded)
    }

    /// Names and values of an offer.
    #[must_use]
    pub fn encode_offer(&self) -> Vec<(&'static str, Option<String>)> {
        self.encode(Place::Offer)
    }

    /// Names and values of a response.
    #[must_use]
    pub fn encode_response(&self) -> Vec<(&'static str, Option<String>)> {
        self.encode(Place::Response)
    }

    fn encode(&self, place: Place) -> Vec<(&'static str, Option<String>)> {
        let mut encoded = Vec::new();
        if self.server_no_context_takeover {
            encoded.push((SERVER_NO_CONTEXT_TAKEOVER, None));
        }
        if self.client_no_context_takeover {
            encoded.push((CLIENT_NO_CONTEXT_TAKEOVER, None));
        }
        if let Some(bits) = self.server_max_window_bits {
            encoded.push((SERVER_MAX_WINDOW_BITS, Some(bits.get().to_string())));
        }
        if let Some(bits) = self.client_max_window_bits {
            let unsaid = place == Place::Offer && bits == WindowBits::MAX;
            encoded.push((CLIENT_MAX_WINDOW_BITS, (!unsaid).then(|| bits.get().to_string())));
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Pairs<'a> = &'a [(&'a str, Option<&'a str>)];

    fn bits(bits: u8) -> Option<WindowBits> {
        WindowBits::new(bits)
    }

    #[test]
    fn what_is_valid_where() {
        let (snct, cnct) = ((SERVER_NO_CONTEXT_TAKEOVER, None), (CLIENT_NO_CONTEXT_TAKEOVER, None));
        let none = Params::default();
        let cases: &[(Pairs<'_>, Option<Params>, Option<Params>)] = &[
            (&[], Some(none), Some(none)),
            (
                &[cnct, snct],
                Some(Params {
                    server_no_context_takeover: true,
                    client_no_context_takeover: true,
                    ..none
                }),
                Some(Params {
                    server_no_context_takeover: true,
                    client_no_context_takeover: true,
                    ..none
                }),
            ),
            (
                &[(SERVER_MAX_WINDOW_BITS, Some("8"))],
                Some(Params { server_max_window_bits: bits(8), ..none }),
                Some(Params { server_max_window_bits: bits(8), ..none }),
            ),
            (
                &[(CLIENT_MAX_WINDOW_BITS, Some("10"))],
                Some(Params { client_max_window_bits: bits(10), ..none }),
                Some(Params { client_max_window_bits: bits(10), ..none }),
            ),
            // Only an offer may leave the value out (§7.1.2.2).
            (
                &[(CLIENT_MAX_WINDOW_BITS, None)],
                Some(Params { client_max_window_bits: bits(15), ..none }),
                None,
            ),
            (&[(SERVER_MAX_WINDOW_BITS, None)], None, None),
            (&[(SERVER_MAX_WINDOW_BITS, Some("7"))], None, None),
            (&[(SERVER_MAX_WINDOW_BITS, Some("16"))], None, None),
            (&[(SERVER_MAX_WINDOW_BITS, Some("09"))], None, None),
            (&[(CLIENT_MAX_WINDOW_BITS, Some("7"))], None, None),
            (&[(CLIENT_MAX_WINDOW_BITS, Some("many"))], None, None),
            (&[(SERVER_NO_CONTEXT_TAKEOVER, Some("1"))], None, None),
            (&[(CLIENT_NO_CONTEXT_TAKEOVER, Some("true"))], None, None),
            (&[snct, snct], None, None),
            (&[cnct, snct, cnct], None, None),
            (
                &[(SERVER_MAX_WINDOW_BITS, Some("9")), (SERVER_MAX_WINDOW_BITS, Some("9"))],
                None,
                None,
            ),
            (&[(CLIENT_MAX_WINDOW_BITS, None), (CLIENT_MAX_WINDOW_BITS, Some("9"))], None, None),
            (&[("server_min_window_bits", Some("9"))], None, None),
            (&[("Server_No_Context_Takeover", None)], None, None),
        ];
        for (pairs, offer, response) in cases {
            let pairs = || pairs.iter().copied();
            assert_eq!(
                Params::decode_offer(pairs()).ok(),
                *offer,
                "{:?}",
                pairs().collect::<Vec<_>>()
            );
            assert_eq!(Params::decode_response(pairs()).ok(), *response);
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let all_bits = || [None].into_iter().chain((8..=15).map(bits));
        for server_max_window_bits in all_bits() {
            for client_max_window_bits in all_bits() {
                for (server, client) in [(false, false), (false, true), (true, false), (true, true)]
                {
                    let params = Params {
                        server_no_context_takeover: server,
                        client_no_context_takeover: client,
                        server_max_window_bits,
                        client_max_window_bits,
                    };
                    let read = |written: &[(&'static str, Option<String>)], response| {
                        let pairs = written.iter().map(|(name, value)| (*name, value.as_deref()));
                        if response {
                            Params::decode_response(pairs)
                        } else {
                            Params::decode_offer(pairs)
                        }
                    };
                    assert_eq!(read(&params.encode_offer(), false), Ok(params));
                    assert_eq!(read(&params.encode_response(), true), Ok(params));
                }
            }
        }
    }
}
