//! What both sides will do (RFC 7692 §7.1): a server answers, a client checks the answer.

use super::{Params, WindowBits};

/// How messages in one direction are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Direction {
    /// A message may refer to those before it.
    pub takes_over: bool,
    /// How far back it may refer.
    pub window_bits: WindowBits,
}

/// How both directions of a connection are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// What the server sends.
    pub server: Direction,
    /// What the client sends.
    pub client: Direction,
}

/// What a server would have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// For what it sends.
    pub server: Direction,
    /// For what it receives.
    pub client: Direction,
}

/// A response that does not answer any of the client's offers: the connection must be failed
/// (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response answers no offer of permessage-deflate")]
pub struct UnacceptableResponse;

impl Terms {
    /// The response to an offer. Every valid offer can be met: what it demands of the server is done,
    /// what it leaves open is as these terms say.
    #[must_use]
    pub fn answer(&self, offer: &Params) -> Params {
        let server_bits =
            self.server.window_bits.min(offer.server_max_window_bits.unwrap_or_default());
        let client_bits =
            offer.client_max_window_bits.map(|bits| bits.min(self.client.window_bits));
        // §7.1.2.2: who does not offer this parameter cannot be asked for a shorter window. It is not
        // held for it then.
        let too_long = client_bits.unwrap_or_default() > self.client.window_bits;
        Params {
            server_no_context_takeover: offer.server_no_context_takeover || !self.server.takes_over,
            client_no_context_takeover: offer.client_no_context_takeover
                || !self.client.takes_over
                || too_long,
            // Where it was asked for, the answer must have it (§7.1.2.1).
            server_max_window_bits: (offer.server_max_window_bits.is_some()
                || server_bits < WindowBits::MAX)
                .then_some(server_bits),
            client_max_window_bits: client_bits.filter(|&bits| bits < WindowBits::MAX),
        }
    }
}

impl Agreement {
    /// What a response comes to, for the server that has given it.
    #[must_use]
    pub fn of_response(response: &Params) -> Self {
        Self {
            server: Direction {
                takes_over: !response.server_no_context_takeover,
                window_bits: response.server_max_window_bits.unwrap_or_default(),
            },
            client: Direction {
                takes_over: !response.client_no_context_takeover,
                window_bits: response.client_max_window_bits.unwrap_or_default(),
            },
        }
    }
}

impl Params {
    /// What the server's response to these offers comes to, for the client that made them; of several
    /// offers that it may answer the first counts.
    ///
    /// # Errors
    /// [`UnacceptableResponse`] if it answers none of them.
    pub fn agree(offers: &[Self], response: &Self) -> Result<Agreement, UnacceptableResponse> {
        let offer = offers.iter().find(|offer| offer.is_answered_by(response));
        let offer = offer.ok_or(UnacceptableResponse)?;
        let mut agreement = Agreement::of_response(response);
        // What an offer hints at is kept, whatever the response says of it (§7.1.1.2, §7.1.2.2).
        agreement.client.takes_over &= !offer.client_no_context_takeover;
        let hint = offer.client_max_window_bits.unwrap_or_default();
        agreement.client.window_bits = agreement.client.window_bits.min(hint);
        Ok(agreement)
    }

    fn is_answered_by(&self, response: &Self) -> bool {
        // What is asked of the server must be granted; it may do more (§7.1.1.1, §7.1.2.1).
        let takeover = !self.server_no_context_takeover || response.server_no_context_takeover;
        let server_bits = match (self.server_max_window_bits, response.server_max_window_bits) {
            (Some(offered), answer) => answer.is_some_and(|answer| answer <= offered),
            (None, _) => true,
        };
        // The client is asked for no more than it has offered (§7.1.2.2). To do without context is
        // what every client can (§7.1.1.2).
        let client_bits = match (self.client_max_window_bits, response.client_max_window_bits) {
            (_, None) => true,
            (offered, Some(answer)) => offered.is_some_and(|offered| answer <= offered),
        };
        takeover && server_bits && client_bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(bits: u8) -> WindowBits {
        WindowBits::new(bits).unwrap()
    }

    /// Each parameter in each of its states.
    fn all_params() -> impl Iterator<Item = Params> {
        let all_bits = || [None].into_iter().chain((8..=15).map(WindowBits::new));
        all_bits().flat_map(move |server_max_window_bits| {
            all_bits().flat_map(move |client_max_window_bits| {
                (0..4).map(move |takeover| Params {
                    server_no_context_takeover: takeover & 1 == 1,
                    client_no_context_takeover: takeover & 2 == 2,
                    server_max_window_bits,
                    client_max_window_bits,
                })
            })
        })
    }

    fn all_terms() -> impl Iterator<Item = Terms> {
        let direction = |takes_over, window_bits| Direction { takes_over, window_bits };
        let directions = [true, false]
            .into_iter()
            .flat_map(move |takes_over| (8..=15).map(move |n| direction(takes_over, bits(n))));
        directions
            .clone()
            .flat_map(move |server| directions.clone().map(move |client| Terms { server, client }))
    }

    #[test]
    fn every_answer_to_every_offer_is_within_the_rules_and_the_client_takes_it() {
        for terms in all_terms() {
            for offer in all_params() {
                let answer = terms.answer(&offer);
                let server = Agreement::of_response(&answer);
                let client = Params::agree(&[offer], &answer).expect("it answers the offer");
                assert_eq!(client.server, server.server, "{terms:?} {offer:?}");
                assert!(server.server.window_bits <= terms.server.window_bits);
                assert!(!server.server.takes_over || terms.server.takes_over);
                // The server is ready for all that the client may do.
                assert!(server.client.takes_over || !client.client.takes_over);
                assert!(server.client.window_bits >= client.client.window_bits);
                // It holds no longer window for a client than it would have.
                let held = server.client.takes_over.then_some(server.client.window_bits);
                assert!(held.is_none_or(|held| held <= terms.client.window_bits));
                // §7.1.2.2.
                assert!(
                    answer.client_max_window_bits.is_none()
                        || offer.client_max_window_bits.is_some()
                );
            }
        }
    }

    #[test]
    fn a_client_takes_what_answers_its_offer_and_nothing_else() {
        for offer in all_params() {
            for response in all_params() {
                let granted = offer.server_no_context_takeover
                    <= response.server_no_context_takeover
                    && offer.server_max_window_bits.is_none_or(|offered| {
                        response.server_max_window_bits.is_some_and(|answer| answer <= offered)
                    });
                let asked = response.client_max_window_bits.is_none_or(|answer| {
                    offer.client_max_window_bits.is_some_and(|offered| answer <= offered)
                });
                let result = Params::agree(&[offer], &response);
                assert_eq!(result.is_ok(), granted && asked, "{offer:?} {response:?}");
            }
        }
    }

    #[test]
    fn of_several_offers_the_first_that_is_answered_counts() {
        let small = Params { server_max_window_bits: Some(bits(9)), ..Params::default() };
        let any = Params::default();
        let response = Params { server_max_window_bits: Some(bits(12)), ..Params::default() };
        assert_eq!(Params::agree(&[small], &response), Err(UnacceptableResponse));
        assert!(Params::agree(&[small, any], &response).is_ok());
        assert_eq!(Params::agree(&[], &any), Err(UnacceptableResponse));
        let hint = Params { client_no_context_takeover: true, ..any };
        let agreement = Params::agree(&[hint, any], &any).unwrap();
        assert!(!agreement.client.takes_over, "what was hinted at is kept");
    }
}
