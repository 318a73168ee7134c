use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tickwire::{CloseCode, ConnectionId, Upgrade};

use super::support::{Client, Dial, Running, Script, in_each_mode};

/// One `open` (or refused upgrade) has exactly one `close`, whatever happens.
#[test]
fn promise_2_one_close_for_each_open() {
    in_each_mode(|mode| {
        let calls: Arc<Calls> = Arc::default();
        let builder = mode
            .builder()
            .event_loops(2)
            .ping_interval(Duration::from_millis(100))
            .idle_timeout(Duration::from_millis(200))
            .close_timeout(Duration::from_millis(100));
        let server = Running::start(builder, script(&calls));
        let (mut stay, mut accepted) = (Vec::new(), 0);
        for round in 0..20 {
            for (path, status) in [("/refused", 403), ("/panic", 500)] {
                assert_eq!(Dial::path(&server.address(), path).refused().status, status);
            }
            for end in END_COUNT {
                accepted += 1;
                let client = server.connect();
                let left = bring_about(end, client);
                // Half of them hang up, the others wait for the server to do something.
                stay.extend(left.filter(|_| round % 2 == 0));
            }
            // From outside, while the connections come to their ends by themselves.
            for id in calls.open() {
                match round % 4 {
                    0 => server.handle().terminate(id),
                    1 => server.handle().close(id, CloseCode::GOING_AWAY, "enough"),
                    _ => break,
                };
            }
        }
        server.handle().shutdown(Duration::from_millis(500));
        server.join();
        let calls = calls.0.lock().unwrap();
        assert_eq!(calls.len(), accepted);
        for (id, calls) in calls.iter() {
            assert_eq!(*calls, (1, 1), "calls of open and close for {id}");
        }
    });
}

/// Ends of connections: see [`bring_about`].
const END_COUNT: std::ops::Range<usize> = 0..10;

/// Does something that ends the connection at once or later, and returns what the client has left.
fn bring_about(end: usize, client: Client) -> Option<Client> {
    match end {
        0 => client.close(1000, ""),
        1 => client.send_texts(["close", "ignored"]),
        2 => client.send_texts(["terminate", "ignored"]),
        3 => client.send_texts(["panic", "ignored"]),
        4 => client.send_raw(b"\xff\xff"),
        5 => client.shutdown_write(),
        6 => {
            client.send_text("lost");
            client.reset();
            return None;
        }
        // Both sides close.
        7 => {
            client.send_text("close");
            client.close(1000, "");
        }
        8 => client.send_texts(["fail in close", "close"]),
        // It is silent and given up.
        _ => {}
    }
    Some(client)
}

fn script(calls: &Arc<Calls>) -> Script {
    let (opens, closes) = (calls.clone(), calls.clone());
    let failing: Mutex<Vec<ConnectionId>> = Mutex::default();
    let failing = Arc::new(failing);
    let fails = failing.clone();
    Script::new()
        .on_upgrade(|request| match request.path() {
            "/refused" => Err(http::StatusCode::FORBIDDEN.into()),
            "/panic" => panic!("as the test wants it"),
            _ => Ok(Upgrade::new(())),
        })
        .on_open(move |ctx| {
            let count = opens.add(ctx.id(), (1, 0));
            assert!(count % 20 != 9, "as the test wants it");
        })
        .on_text(move |ctx, text| match text {
            "close" => ctx.close(CloseCode::NORMAL, ""),
            "terminate" => ctx.terminate(),
            "panic" => panic!("as the test wants it"),
            "fail in close" => fails.lock().unwrap().push(ctx.id()),
            text => {
                ctx.send(text);
            }
        })
        .on_close(move |ctx, _| {
            closes.add(ctx.id(), (0, 1));
            let fails = failing.lock().unwrap().contains(&ctx.id());
            assert!(!fails, "as the test wants it");
        })
}

/// How often `open` and `close` were called for each connection.
#[derive(Default)]
struct Calls(Mutex<HashMap<ConnectionId, (u32, u32)>>);

impl Calls {
    /// Returns how many connections there have been.
    fn add(&self, id: ConnectionId, (opens, closes): (u32, u32)) -> usize {
        let mut all = self.0.lock().unwrap();
        let calls = all.entry(id).or_default();
        *calls = (calls.0 + opens, calls.1 + closes);
        all.len()
    }

    fn open(&self) -> Vec<ConnectionId> {
        let all = self.0.lock().unwrap();
        all.iter().filter(|(_, calls)| calls.1 == 0).map(|(&id, _)| id).collect()
    }
}
