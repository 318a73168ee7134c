//! What is asked, and how it is answered.

use serde_json::{Value, json};

use crate::message::Message;
use crate::program::{Feed, MODES};
use crate::session::{BINARY, JSON, Session};
use crate::support::{Dial, Received};

#[test]
fn requests_are_answered_with_their_id() {
    for mode in MODES {
        let feed = Feed::start(mode, &["--symbols", "BTC-USD,ETH-USD"]);
        for subprotocol in [JSON, BINARY] {
            let mut session = Session::open(&feed, subprotocol);
            assert_eq!(session.welcome["protocol"], 1);
            assert_eq!(session.welcome["channels"], json!(["ticker", "trades", "book", "raw"]));
            let names: Vec<_> = session.symbols.iter().map(|it| it.name.as_str()).collect();
            assert_eq!(names, ["BTC-USD", "ETH-USD"]);
            let pong = session.ask(json!({ "op": "ping", "t": { "any": [1, null] } }));
            assert_eq!((&pong["type"], &pong["t"]), (&json!("pong"), &json!({ "any": [1, null] })));
            assert!(pong["time"].is_number());
            let answer = session.subscribe("trades", &["ETH-USD", "BTC-USD", "ETH-USD"]);
            assert_eq!(answer["symbols"], json!(["BTC-USD", "ETH-USD"]));
            let answer = session.subscribe("ticker", &["*"]);
            assert_eq!(answer["symbols"], json!(["BTC-USD", "ETH-USD"]));
            session.client.close(1000, "");
            let received = session.client.recv_to_end();
            assert_eq!(received.last(), Some(&Received::Close(1000, String::new())));
        }
    }
}

#[test]
fn what_cannot_be_done_is_explained_and_the_session_goes_on() {
    let feed = Feed::start(MODES[0], &[]);
    let mut session = Session::open(&feed, JSON);
    let too_deep = "[".repeat(100_000);
    for (request, code, part) in [
        ("{", "bad_json", "line 1 column 1"),
        (&too_deep, "bad_json", "column 100000"),
        ("[1]", "bad_request", "JSON object"),
        (r#"{"op":"fly","id":9}"#, "unknown_op", "\"subscribe\""),
        (
            r#"{"op":"subscribe","channel":"news","symbols":["*"],"id":9}"#,
            "unknown_channel",
            "ticker",
        ),
        (
            r#"{"op":"subscribe","channel":"book","symbols":["btcusd"],"id":9}"#,
            "unknown_symbol",
            "BTC-USD",
        ),
        (r#"{"op":"subscribe","channel":"book","symbols":[],"id":9}"#, "bad_request", "empty"),
        (r#"{"op":"subscribe","channel":"raw","symbols":["*"],"id":9}"#, "not_available", "replay"),
        (
            r#"{"op":"unsubscribe","channel":"book","symbols":["*"],"id":9}"#,
            "not_subscribed",
            "book",
        ),
    ] {
        let answer = session.ask_text(request);
        assert_eq!((&answer["type"], &answer["code"]), (&json!("error"), &json!(code)));
        let message = answer["message"].as_str().expect("a message");
        assert!(message.contains(part), "{message}");
        let id = if request.contains("\"id\"") { json!(9) } else { Value::Null };
        assert_eq!(answer["id"], id);
    }
    session.client.send_binary(b"{}");
    assert_eq!(session.answer()["code"], "bad_request");
    assert_eq!(session.ask(json!({ "op": "ping" }))["type"], "pong");
}

#[test]
fn nothing_comes_behind_the_answer_to_an_unsubscription() {
    for mode in MODES {
        let feed = Feed::start(mode, &["--symbols", "4", "--rate", "8000"]);
        for subprotocol in [JSON, BINARY] {
            let mut session = Session::open(&feed, subprotocol);
            let first = session.first_symbol();
            for channel in ["ticker", "book", "trades"] {
                session.subscribe(channel, &["*"]);
            }
            session.client.send_text(
                &json!({ "op": "unsubscribe", "channel": "trades", "symbols": [first] })
                    .to_string(),
            );
            session.client.send_text(
                &json!({ "op": "unsubscribe", "channel": "book", "symbols": ["*"] }).to_string(),
            );
            for _ in 0..2 {
                assert_eq!(session.answer()["type"], "unsubscribed");
            }
            // What was kept came before the answers.
            let mut is_behind = false;
            let mut counts = [0; 2];
            session.client.send_text(r#"{"op":"ping"}"#);
            while counts[0] < 50 || counts[1] < 20 {
                match session.next().expect("the feed goes on") {
                    Message::Answer(_) => is_behind = true,
                    _ if !is_behind => {}
                    message @ (Message::Book(_) | Message::Notice(_)) => panic!("{message:?}"),
                    Message::Trade { symbol, .. } => {
                        assert_ne!(symbol, first);
                        counts[0] += 1;
                    }
                    Message::Ticker { .. } => counts[1] += 1,
                }
            }
            let answer = session.unsubscribe("trades", &[&first]);
            assert_eq!(answer["code"], "not_subscribed");
            // Only what there was is ended.
            let answer = session.unsubscribe("trades", &["*"]);
            assert_eq!(answer["symbols"].as_array().map(Vec::len), Some(3));
        }
    }
}

#[test]
fn the_first_subprotocol_that_is_known_is_chosen_and_unknown_ones_are_refused() {
    let feed = Feed::start(MODES[0], &["--symbols", "1"]);
    let dial = || Dial::path(&feed.address, "/ws");
    let chosen = |dial: Dial| dial.connect().response().subprotocol().map(str::to_owned);
    assert_eq!(chosen(dial()), None);
    assert_eq!(chosen(dial().subprotocol("x.v9").subprotocol(JSON)).as_deref(), Some(JSON));
    assert_eq!(chosen(dial().subprotocol(BINARY).subprotocol(JSON)).as_deref(), Some(BINARY));
    assert_eq!(chosen(dial().subprotocol(JSON).subprotocol(BINARY)).as_deref(), Some(JSON));
    let refused = dial().subprotocol("x.v9").refused();
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains(JSON) && refused.text().contains(BINARY));
    assert_eq!(Dial::path(&feed.address, "/elsewhere").refused().status, 404);
}
