//! The terminal client as it shows itself to a pipe.

use std::collections::HashMap;

use crate::program::{Feed, MODES, Program};
use crate::support::eventually;

/// The fields of the last line that begins with `name`.
fn last_fields(program: &Program, name: &str) -> HashMap<String, String> {
    let lines = program.stdout();
    let last = lines.iter().rev().find(|line| line.split(' ').next() == Some(name));
    let fields = last.map(|line| line.split(' ').filter_map(|field| field.split_once('=')));
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    fields.map(|fields| fields.map(owned).collect()).unwrap_or_default()
}

fn count(fields: &HashMap<String, String>, name: &str) -> u64 {
    fields.get(name).map_or(0, |value| value.parse().expect("a number"))
}

#[test]
fn it_verifies_books_in_both_encodings_and_ends_on_an_interrupt() {
    let feed = Feed::start(MODES[0], &["--symbols", "5"]);
    let url = format!("ws://{}/ws", feed.host());
    for arguments in [&[url.as_str()] as &[_], &[&url, "--binary", "--symbols", "btc-usd,ETH-USD"]]
    {
        let client = Program::start("market_feed_client", arguments);
        eventually("books are verified", || count(&last_fields(&client, "total"), "verified") > 50);
        let total = last_fields(&client, "total");
        assert_eq!((count(&total, "gaps"), count(&total, "checksum_errors")), (0, 0));
        let ether = last_fields(&client, "ETH-USD");
        assert!(ether["book"].starts_with("verified#") && ether["last"].contains('.'), "{ether:?}");
        assert_eq!(last_fields(&client, "SOL-USD").is_empty(), arguments.len() > 1);
        client.signal("INT");
        let ended = client.ended();
        assert!(ended.status.success() && ended.stderr.is_empty(), "{ended:?}");
        assert!(!ended.stdout.contains('\x1b'), "no colours in a pipe");
    }
}

#[cfg(feature = "tls")]
#[test]
fn it_verifies_books_over_tls_of_a_feed_that_it_trusts() {
    let paths = {
        let files = crate::support::tls::files();
        [&files.certificate, &files.key, &files.authority].map(|it| it.display().to_string())
    };
    let [certificate, key, authority] = &paths;
    let secured = ["--symbols", "2", "--tls-cert", certificate, "--tls-key", key];
    let feed = Feed::start(MODES[0], &secured);
    let url = format!("wss://{}/ws", feed.host());
    let client = Program::start("market_feed_client", &["--tls-ca", authority, &url]);
    eventually("books are verified", || count(&last_fields(&client, "total"), "verified") > 50);
    client.signal("INT");
    assert!(client.ended().status.success());
    let client = Program::start("market_feed_client", &[&url]);
    eventually("it does not trust the feed by itself", || {
        client.stderr().iter().any(|line| line.contains("certificate"))
    });
}

#[test]
fn it_comes_back_when_the_feed_does() {
    let feed = Feed::start(MODES[0], &["--symbols", "2"]);
    let host = feed.host();
    let client = Program::start("market_feed_client", &[&host]);
    eventually("it sees tickers", || !last_fields(&client, "BTC-USD").is_empty());
    feed.program.signal("INT");
    assert!(feed.program.ended().status.success());
    eventually("it says that it tries again", || {
        client.stderr().iter().any(|line| line.contains("trying again"))
    });
    let before = count(&last_fields(&client, "total"), "messages");
    let second = Program::start("market_feed", &["--listen", &host, "--symbols", "2"]);
    eventually("it is back", || count(&last_fields(&client, "total"), "messages") > before + 50);
    drop(second);
}

#[test]
fn it_says_what_is_wrong() {
    let feed = Feed::start(MODES[0], &["--symbols", "2"]);
    let host = feed.host();
    for (arguments, parts) in [
        (vec!["127.0.0.1:1"], ["Connection refused", "is market_feed running?"]),
        (vec![&host, "--symbols", "BTC-USD,NOPE"], ["unknown symbol", "NOPE"]),
        (vec![&host, "--book", "NOPE"], ["unknown symbol", "NOPE"]),
        (vec![&format!("{host}/elsewhere")], ["refused", "404"]),
    ] {
        let ended = Program::start("market_feed_client", &arguments).ended();
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}");
        assert!(parts.iter().all(|part| ended.stderr.contains(part)), "{ended:?}");
    }
}
