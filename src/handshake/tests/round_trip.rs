//! A client's and a server's side, joined in memory.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use proptest::prelude::*;

use super::super::*;

/// What a server answers to `received`, with the first extension offered, if any.
fn serve(received: &[u8], supported: &[&str]) -> Result<Vec<u8>, HandshakeError> {
    let (request, head_len) =
        RequestDecoder::new().decode(received, &HeadLimits::default())?.expect("a whole head");
    assert_eq!(head_len, received.len());
    let valid = validate_upgrade(&request)?;
    let mut upgrade = Upgrade::new(())
        .header(HeaderName::from_static("x-served"), HeaderValue::from_static("yes"));
    if let Some(subprotocol) = request.choose_subprotocol(supported) {
        upgrade = upgrade.subprotocol(subprotocol);
    }
    upgrade.check(&request)?;
    let ((), subprotocol, headers) = upgrade.into_parts();
    let extensions = valid.extensions().first().map(ToString::to_string);
    let mut out = Vec::new();
    encode_switching_protocols(
        &valid.accept(),
        subprotocol.as_deref(),
        extensions.as_deref(),
        &headers,
        &mut out,
    );
    Ok(out)
}

fn encoded(request: &ClientRequest) -> Vec<u8> {
    let mut out = Vec::new();
    request.encode(&mut out).unwrap();
    out
}

proptest! {
    #[test]
    fn a_handshake_succeeds_with_any_nonce(
        nonce: [u8; 16],
        offered in prop::sample::subsequence(vec!["a", "b", "c", "d"], 0..=4).prop_shuffle(),
        target in "/[!-\"$-~]{0,20}",
        extension in prop::option::of("[a-z]{1,5}"),
    ) {
        let mut client = ClientRequest::new("h:1", target, nonce).origin("http://h");
        for subprotocol in &offered {
            client = client.subprotocol(*subprotocol);
        }
        if let Some(name) = &extension {
            client = client.extension(ExtensionOffer::new(name).param("p", Some("1".into())));
        }
        let mut answer = serve(&encoded(&client), &["c", "a"]).unwrap();
        let head_len = answer.len();
        answer.extend_from_slice(b"\x81\x02hi");
        let decoded = client.decoder().decode(&answer).unwrap().unwrap();
        prop_assert_eq!(decoded.1, head_len);
        let response = decoded.0;
        let expected = ["c", "a"].into_iter().find(|name| offered.contains(name));
        prop_assert_eq!(response.subprotocol(), expected);
        prop_assert_eq!(response.extensions().len(), extension.iter().len());
        prop_assert_eq!(&response.headers()["x-served"], "yes");
    }
}

#[test]
fn the_answer_to_another_key_is_not_accepted() {
    let ours = ClientRequest::new("h", "/", [1; 16]);
    let theirs = ClientRequest::new("h", "/", [2; 16]);
    let answer = serve(&encoded(&theirs), &[]).unwrap();
    assert_eq!(ours.decoder().decode(&answer).unwrap_err(), HandshakeError::WrongAccept);
}

#[test]
fn a_refusal_reaches_the_client() {
    let client = ClientRequest::new("h", "/", [0; 16]);
    let refusals = [
        (Refusal::from(StatusCode::FORBIDDEN), 403),
        (HandshakeError::UnsupportedWebSocketVersion.into(), 426),
        (Response::text("not here").into(), 200),
    ];
    for (refusal, status) in refusals {
        let mut answer = Vec::new();
        refusal.response().encode(false, Version::HTTP_11, false, &mut answer);
        let error = client.decoder().decode(&answer).unwrap_err();
        let HandshakeError::Refused(refused) = error else { panic!("{error:?}") };
        assert_eq!(refused.status.as_u16(), status);
        assert_eq!(&refused.headers, &{
            let mut expected: HeaderMap = refusal.response().headers().clone();
            let len = refusal.response().content().len();
            let connection =
                if expected.contains_key("upgrade") { "upgrade, close" } else { "close" };
            expected.insert("connection", HeaderValue::from_static(connection));
            expected.insert("content-length", HeaderValue::from(len));
            expected
        });
    }
}
