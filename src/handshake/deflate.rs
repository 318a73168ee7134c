//! Negotiating permessage-deflate (RFC 7692 §5, §7.1).

use super::error::HandshakeError;
use super::extension::ExtensionOffer;
use crate::deflate::{Agreement, EXTENSION_NAME, Params, Terms};

/// The server's answer to what a client offers: the response to the first offer of permessage-deflate
/// that is valid, and what that comes to. `None`: there is none, and no compression.
///
/// Offers of other extensions, and those that RFC 7692 §7.1 says to decline, are passed over: a client
/// may add a simpler one behind for servers that know no better.
///
/// ```
/// use tickwire::Compression;
/// use tickwire::handshake::{ExtensionOffer, accept_deflate};
///
/// let offers = [ExtensionOffer::new("permessage-deflate").param("client_max_window_bits", None)];
/// let terms = Compression::dedicated().terms(0).expect("compression is on");
/// let (response, agreement) = accept_deflate(&offers, &terms).expect("the offer is valid");
/// assert_eq!(response.to_string(), "permessage-deflate");
/// assert!(agreement.server.takes_over);
/// ```
#[must_use]
pub fn accept_deflate(
    offers: &[ExtensionOffer],
    terms: &Terms,
) -> Option<(ExtensionOffer, Agreement)> {
    let valid = |offer: &ExtensionOffer| Params::decode_offer(pairs(offer)).ok();
    let offer = offers.iter().filter(|offer| offer.name == EXTENSION_NAME).find_map(valid)?;
    let response = terms.answer(&offer);
    Some((extension(response.encode_response()), Agreement::of_response(&response)))
}

/// An offer as a client sends it.
#[must_use]
pub fn offer_deflate(offer: &Params) -> ExtensionOffer {
    extension(offer.encode_offer())
}

/// The client's check of the extensions that a server has accepted, of which it `offered`
/// permessage-deflate in these ways. `None`: the server does not compress.
///
/// # Errors
/// [`HandshakeError::UnacceptableExtension`]: the connection must be failed.
pub fn check_deflate(
    offered: &[Params],
    accepted: &[ExtensionOffer],
) -> Result<Option<Agreement>, HandshakeError> {
    let mut responses = accepted.iter().filter(|extension| extension.name == EXTENSION_NAME);
    let Some(response) = responses.next() else { return Ok(None) };
    let response = Params::decode_response(pairs(response));
    let agreement = response.ok().and_then(|response| Params::agree(offered, &response).ok());
    match (agreement, responses.next()) {
        (Some(agreement), None) => Ok(Some(agreement)),
        _ => Err(HandshakeError::UnacceptableExtension),
    }
}

fn pairs(extension: &ExtensionOffer) -> impl Iterator<Item = (&str, Option<&str>)> {
    extension.params.iter().map(|(name, value)| (&name[..], value.as_deref()))
}

fn extension(params: Vec<(&'static str, Option<String>)>) -> ExtensionOffer {
    let extension = ExtensionOffer::new(EXTENSION_NAME);
    params.into_iter().fold(extension, |extension, (name, value)| extension.param(name, value))
}

#[cfg(test)]
mod tests {
    use http::header::SEC_WEBSOCKET_EXTENSIONS;
    use http::{HeaderMap, HeaderValue};

    use super::super::extension;
    use super::*;
    use crate::deflate::{Compression, CompressionMode, DedicatedCompression, WindowBits};

    fn read(value: &str) -> Vec<ExtensionOffer> {
        let mut headers = HeaderMap::new();
        headers.append(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_str(value).unwrap());
        extension::decode(&headers).unwrap()
    }

    fn dedicated(server_window_bits: u8, client_window_bits: u8) -> Compression {
        let dedicated =
            DedicatedCompression { server_window_bits, client_window_bits, ..Default::default() };
        Compression { mode: CompressionMode::Dedicated(dedicated), ..Compression::shared() }
    }

    /// Offers, and the responses of a server whose connections share a compressor, have their own, and
    /// have their own with short windows.
    #[test]
    fn every_negotiation_of_section_7_1() {
        const BOTH: &str = "server_no_context_takeover; client_no_context_takeover";
        const S: &str = "server_no_context_takeover";
        const C: &str = "client_no_context_takeover";
        const NONE: [Option<&str>; 3] = [None; 3];
        let cases: &[(&str, [Option<&str>; 3])] = &[
            ("x-webkit-deflate-frame", NONE),
            ("Permessage-Deflate", NONE),
            ("permessage-deflate", [Some(BOTH), Some(""), Some("C; server_max_window_bits=10")]),
            // §7.1.1: whoever asks for no context gets it.
            (
                "permessage-deflate; server_no_context_takeover",
                [Some(BOTH), Some(S), Some("S; C; server_max_window_bits=10")],
            ),
            (
                "permessage-deflate; client_no_context_takeover",
                [Some(BOTH), Some(C), Some("C; server_max_window_bits=10")],
            ),
            (
                "permessage-deflate; client_no_context_takeover; server_no_context_takeover",
                [Some(BOTH), Some(BOTH), Some("S; C; server_max_window_bits=10")],
            ),
            // §7.1.2.1: the same or less, and always said.
            (
                "permessage-deflate; server_max_window_bits=15",
                [
                    Some("S; C; server_max_window_bits=15"),
                    Some("server_max_window_bits=15"),
                    Some("C; server_max_window_bits=10"),
                ],
            ),
            (
                "permessage-deflate; server_max_window_bits=8",
                [
                    Some("S; C; server_max_window_bits=8"),
                    Some("server_max_window_bits=8"),
                    Some("C; server_max_window_bits=8"),
                ],
            ),
            (
                "permessage-deflate; server_max_window_bits=\"12\"",
                [
                    Some("S; C; server_max_window_bits=12"),
                    Some("server_max_window_bits=12"),
                    Some("C; server_max_window_bits=10"),
                ],
            ),
            // §7.1.2.2: only who offers it is asked for less.
            (
                "permessage-deflate; client_max_window_bits",
                [
                    Some(BOTH),
                    Some(""),
                    Some("server_max_window_bits=10; client_max_window_bits=11"),
                ],
            ),
            (
                "permessage-deflate; client_max_window_bits=9",
                [
                    Some("S; C; client_max_window_bits=9"),
                    Some("client_max_window_bits=9"),
                    Some("server_max_window_bits=10; client_max_window_bits=9"),
                ],
            ),
            (
                "permessage-deflate; client_max_window_bits=12; server_max_window_bits=9; \
                 server_no_context_takeover",
                [
                    Some("S; C; server_max_window_bits=9; client_max_window_bits=12"),
                    Some("S; server_max_window_bits=9; client_max_window_bits=12"),
                    Some("S; server_max_window_bits=9; client_max_window_bits=11"),
                ],
            ),
            // What is to be declined is, and the next one counts.
            ("permessage-deflate; client_max_window_bits=16", NONE),
            ("permessage-deflate; server_max_window_bits", NONE),
            ("permessage-deflate; server_max_window_bits=7", NONE),
            ("permessage-deflate; server_max_window_bits=010", NONE),
            ("permessage-deflate; server_no_context_takeover=1", NONE),
            ("permessage-deflate; client_no_context_takeover=true", NONE),
            ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", NONE),
            ("permessage-deflate; client_max_window_bits; client_max_window_bits=10", NONE),
            ("permessage-deflate; mystery", NONE),
            (
                "permessage-deflate; mystery, other, permessage-deflate; server_max_window_bits=9, \
                 permessage-deflate",
                [
                    Some("S; C; server_max_window_bits=9"),
                    Some("server_max_window_bits=9"),
                    Some("C; server_max_window_bits=9"),
                ],
            ),
        ];
        for (offers, expected) in cases {
            let offers = read(offers);
            let servers = [Compression::shared(), dedicated(15, 15), dedicated(10, 11)];
            for (compression, expected) in servers.into_iter().zip(expected) {
                let accepted = accept_deflate(&offers, &compression.terms(0).unwrap());
                let response = accepted.as_ref().map(|(response, _)| response.to_string());
                let expected = expected.map(|params| {
                    let params = params.replace("S;", &format!("{S};"));
                    let params = params.replace("C;", &format!("{C};"));
                    format!("{EXTENSION_NAME}; {params}").trim_end_matches("; ").to_owned()
                });
                assert_eq!(response, expected, "{offers:?}");
                // The client that has made these offers agrees.
                let Some((response, agreement)) = accepted else { continue };
                let valid = |offer: &ExtensionOffer| Params::decode_offer(pairs(offer)).ok();
                let offered: Vec<Params> = offers
                    .iter()
                    .filter(|offer| offer.name == EXTENSION_NAME)
                    .filter_map(valid)
                    .collect();
                let agreed = check_deflate(&offered, &[response]).unwrap().unwrap();
                assert_eq!(agreed.server, agreement.server);
                assert!(agreed.client.window_bits <= agreement.client.window_bits);
            }
        }
    }

    #[test]
    fn a_response_that_answers_no_offer_fails_the_connection() {
        let plain = Params::default();
        let bits = Some(WindowBits::new(10).unwrap());
        let demanding = Params {
            server_no_context_takeover: true,
            server_max_window_bits: bits,
            client_max_window_bits: bits,
            ..plain
        };
        let cases: &[(Params, &str, bool)] = &[
            (plain, "permessage-deflate", true),
            (plain, "permessage-deflate; server_no_context_takeover", true),
            (plain, "permessage-deflate; client_no_context_takeover", true),
            (plain, "permessage-deflate; server_max_window_bits=8", true),
            (plain, "permessage-deflate; client_max_window_bits=15", false),
            (plain, "permessage-deflate; client_max_window_bits", false),
            (plain, "permessage-deflate; server_max_window_bits=16", false),
            (plain, "permessage-deflate; server_max_window_bits", false),
            (plain, "permessage-deflate; mystery", false),
            (plain, "permessage-deflate, permessage-deflate", false),
            (plain, "permessage-deflate; server_no_context_takeover=x", false),
            (demanding, "permessage-deflate", false),
            (demanding, "permessage-deflate; server_no_context_takeover", false),
            (demanding, "permessage-deflate; server_max_window_bits=10", false),
            (
                demanding,
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=11",
                false,
            ),
            (
                demanding,
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=9",
                true,
            ),
            (
                demanding,
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; \
                 client_max_window_bits=10",
                true,
            ),
            (
                demanding,
                "permessage-deflate; server_no_context_takeover; server_max_window_bits=10; \
                 client_max_window_bits=11",
                false,
            ),
        ];
        for (offer, response, valid) in cases {
            let result = check_deflate(&[*offer], &read(response));
            assert_eq!(result.is_ok(), *valid, "{offer:?} {response}");
        }
        assert_eq!(check_deflate(&[plain], &[]), Ok(None));
        assert_eq!(check_deflate(&[plain], &read("other")), Ok(None));
    }

    #[test]
    fn an_offer_is_written_as_browsers_do() {
        let offer = Params { client_max_window_bits: Some(WindowBits::MAX), ..Params::default() };
        let written = offer_deflate(&offer).to_string();
        assert_eq!(written, "permessage-deflate; client_max_window_bits");
    }
}
