//! The negotiation of permessage-deflate: whatever a client offers, the answer is one that it must
//! accept; whatever a server answers, the client accepts no more than it has offered; and what both
//! have agreed upon works.

use http::HeaderMap;
use tickwire::deflate::{Agreement, EXTENSION_NAME, Params, Terms};
use tickwire::handshake::{
    AcceptKey, ClientRequest, ExtensionOffer, HeadLimits, RequestDecoder, accept_deflate,
    check_deflate, encode_switching_protocols, offer_deflate, validate_upgrade,
};
use tickwire::protocol::Role;

use super::traffic::{Way, direction};
use super::upgrade_response::NONCE;
use crate::input::Input;
use crate::receiver::Receiver;

/// Choices: what the server would have for what it sends, and for what it receives; what the client
/// offers, in two bytes. The stream is the value of a header: the offers, and then the answer.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let [server, client, takeovers, windows] = input.choices;
    let terms = Terms { server: direction(server), client: direction(client) };
    let offers = offers(input.stream);
    serve(&offers, &terms, input.stream);

    let bits = |present, choice| (takeovers & present != 0).then(|| direction(choice).window_bits);
    let offered = Params {
        server_no_context_takeover: takeovers & 1 != 0,
        client_no_context_takeover: takeovers & 2 != 0,
        server_max_window_bits: bits(4, windows),
        client_max_window_bits: bits(8, windows >> 4),
    };
    answer(&offered, &offers);
}

/// The offers that are the value of a header; none if it is malformed.
fn offers(value: &[u8]) -> Vec<ExtensionOffer> {
    let head = [
        b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Extensions: ",
        value,
        b"\r\n\r\n",
    ]
    .concat();
    let limits = HeadLimits::default();
    let Ok(Some((request, _))) = RequestDecoder::new().decode(&head, &limits) else {
        return Vec::new();
    };
    validate_upgrade(&request).map(|upgrade| upgrade.extensions().to_vec()).unwrap_or_default()
}

/// A server's side.
fn serve(offers: &[ExtensionOffer], terms: &Terms, content: &[u8]) {
    let is_valid = |offer: &&ExtensionOffer| offer.name == EXTENSION_NAME && read(offer).is_ok();
    let first = offers.iter().find(is_valid).and_then(|offer| read(offer).ok());
    let accepted = accept_deflate(offers, terms);
    assert_eq!(accepted.is_some(), first.is_some());
    let (Some((response, agreement)), Some(offer)) = (accepted, first) else { return };

    assert!(agreement.server.window_bits <= terms.server.window_bits);
    assert!(!agreement.server.takes_over || terms.server.takes_over);
    // What a connection holds for what it receives.
    assert!(
        !agreement.client.takes_over
            || terms.client.takes_over && agreement.client.window_bits <= terms.client.window_bits
    );

    let received = exchange(offers, &response);
    assert_eq!(received, [response]);
    let theirs = check_deflate(&[offer], &received).expect("the answer to this very offer");
    let theirs = theirs.expect("it was accepted");
    assert_eq!(theirs.server, agreement.server);
    assert!(theirs.client.window_bits <= agreement.client.window_bits);
    assert!(!theirs.client.takes_over || agreement.client.takes_over);
    talk(&agreement, &theirs, content);
}

fn read(offer: &ExtensionOffer) -> Result<Params, tickwire::deflate::InvalidParams> {
    Params::decode_offer(offer.params.iter().map(|(name, value)| (&name[..], value.as_deref())))
}

/// A client that has made these offers reads the response.
fn exchange(offers: &[ExtensionOffer], response: &ExtensionOffer) -> Vec<ExtensionOffer> {
    let request = offers.iter().fold(ClientRequest::new("h", "/", NONCE), |request, offer| {
        request.extension(offer.clone())
    });
    let mut head = Vec::new();
    request.encode(&mut head).expect("what was read can be written");
    let (again, _) = RequestDecoder::new()
        .decode(&head, &HeadLimits { max_head_len: usize::MAX, ..HeadLimits::default() })
        .expect("what was written can be read")
        .expect("it was written in whole");
    assert_eq!(again.extensions().as_deref(), Ok(offers));

    let accept = AcceptKey::answer(b"dGhlIHNhbXBsZSBub25jZQ==");
    let mut answer = Vec::new();
    let extension = response.to_string();
    encode_switching_protocols(&accept, None, Some(&extension), &HeaderMap::new(), &mut answer);
    let (response, _) = request.decoder().decode(&answer).expect("an answer").expect("in whole");
    response.extensions().to_vec()
}

fn talk(server: &Agreement, client: &Agreement, content: &[u8]) {
    for (sender, sends, receives) in
        [(Role::Server, server, client), (Role::Client, client, server)]
    {
        let mut way = Way::new(sender, sends, receives, 3);
        for message in [content, &content.repeat(20), content, &content.repeat(3)] {
            way.send(message, usize::MAX);
        }
        way.check(Receiver::feed);
    }
}

/// A client's side: it has `offered`, and the server answers with `accepted`.
fn answer(offered: &Params, accepted: &[ExtensionOffer]) {
    let offer = offer_deflate(offered);
    assert_eq!(read(&offer), Ok(*offered));
    let Ok(Some(agreement)) = check_deflate(&[*offered], accepted) else { return };
    assert_eq!(accepted.iter().filter(|it| it.name == EXTENSION_NAME).count(), 1);
    assert!(!(offered.server_no_context_takeover && agreement.server.takes_over));
    assert!(!(offered.client_no_context_takeover && agreement.client.takes_over));
    let server_bits = offered.server_max_window_bits.unwrap_or_default();
    assert!(agreement.server.window_bits <= server_bits);
    let client_bits = offered.client_max_window_bits.unwrap_or_default();
    assert!(agreement.client.window_bits <= client_bits);
}
