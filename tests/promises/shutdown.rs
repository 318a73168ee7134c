use std::time::Duration;

use tickwire::{Context, Handler, Message, Outcome, Refusal, Request, Upgrade};

use super::support::{Received, Running, Socket, in_each_mode};

const LONG: Duration = Duration::from_secs(30);

/// `shutdown(deadline)` stops accepting, closes with 1001, drains queues, then returns; nothing
/// queued before it is lost while the peer reads.
#[test]
fn promise_7_shutdown_loses_nothing() {
    const COUNT: usize = 300;

    struct Subscribed;

    impl Handler for Subscribed {
        type State = ();

        fn upgrade(&self, _: &Request) -> Result<Upgrade<()>, Refusal> {
            Ok(Upgrade::new(()))
        }

        fn open(&self, ctx: &mut Context<'_>, (): &mut ()) {
            let topic = ctx.server().topic("t");
            ctx.subscribe(&topic);
            ctx.send(format!("{}", ctx.id()));
        }

        fn message(&self, ctx: &mut Context<'_>, (): &mut (), message: Message<'_>) {
            ctx.send(message);
        }
    }

    in_each_mode(|mode| {
        let builder = mode.builder().event_loops(2).max_backpressure(64 << 20);
        let server = Running::start(builder, Subscribed);
        let address = server.address();
        let mut clients: Vec<_> =
            (0..4).map(|_| server.dial().receive_len(32 << 10).connect()).collect();
        for client in &mut clients {
            assert!(matches!(client.recv(), Received::Text(_)), "subscribed");
        }
        let topic = server.handle().topic("t");
        let text = |i: usize| format!("{i} {}", "x".repeat(20_000));
        for i in 0..COUNT {
            assert_eq!(topic.publish(text(i)), Outcome::Sent);
        }
        server.handle().shutdown(2 * LONG);
        std::thread::scope(|scope| {
            for mut client in clients {
                scope.spawn(move || {
                    for i in 0..COUNT {
                        client.expect_text(&text(i));
                    }
                    client.expect_close(1001);
                    client.close(1001, "");
                    client.expect_end();
                });
            }
        });
        server.join();
        assert!(Socket::connect(&address).is_err(), "nobody listens any more");
    });
}
