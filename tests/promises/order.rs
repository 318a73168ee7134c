use std::collections::HashMap;
use std::sync::mpsc::channel;
use std::time::Duration;

use tickwire::{Context, Delivery, Handler, Message, Outcome, Overflow};

use super::support::{Client, Received, Running, Script, eventually, in_each_mode, soon};

const LONG: Duration = Duration::from_secs(30);

/// Messages of a connection are handled in order; sends from one thread to one connection arrive in
/// order; publications of one publisher on a topic arrive in order, with no duplicate, and every gap
/// is one that a policy made and counted.
#[test]
fn promise_1_order() {
    const COUNT: usize = 2_000;

    /// Counts its connection's messages.
    struct InOrder;

    impl Handler for InOrder {
        type State = usize;

        fn message(&self, ctx: &mut Context<'_>, next: &mut usize, message: Message<'_>) {
            assert_eq!(message.as_text(), Some(&*next.to_string()));
            *next += 1;
            if *next == COUNT {
                let topic = ctx.server().topic_with("t", DROP_NEWEST);
                ctx.subscribe(&topic);
                ctx.send(ctx.id().to_string());
            }
        }
    }

    const DROP_NEWEST: Delivery = Delivery::Every { overflow: Overflow::DropNewest };
    in_each_mode(|mode| {
        let builder = mode.builder().event_loops(2).max_backpressure(100_000);
        let server = Running::start(builder, InOrder);
        let handle = server.handle().clone();
        let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        std::thread::scope(|scope| {
            for client in &clients {
                let writer = client.writer();
                scope.spawn(move || (0..COUNT).for_each(|i| writer.send_text(&i.to_string())));
            }
        });
        for client in &mut clients {
            assert!(matches!(client.recv(), Received::Text(_)), "all came, in order");
        }

        // Two publishers that do not care whether anybody keeps up.
        let topic = handle.topic_with("t", DROP_NEWEST);
        std::thread::scope(|scope| {
            for publisher in 0..2 {
                let topic = topic.clone();
                scope.spawn(move || {
                    for i in 0..COUNT {
                        let text = format!("{publisher} {i} {}", "x".repeat(1000));
                        assert_eq!(topic.publish_wait(text, LONG), Outcome::Sent);
                    }
                });
            }
        });
        let end = topic.publish_wait("end", LONG);
        assert_eq!(end, Outcome::Sent);
        let stats = || handle.stats().total;
        let published = 4 * (2 * COUNT as u64 + 1);
        eventually("all is counted", || {
            stats().deliveries + stats().deliveries_dropped == published
        });
        let mut received = 0;
        for client in clients {
            received += receive_in_order(client);
        }
        assert_eq!(received + stats().deliveries_dropped, published, "every gap is counted");
    });
}

/// Everything that arrives until the client has left, each publisher's numbers rising.
fn receive_in_order(mut client: Client) -> u64 {
    client.close(1000, "");
    let mut next = HashMap::new();
    let mut count = 0;
    for received in client.recv_to_end() {
        match received {
            Received::Close(1000, _) => return count,
            Received::Text(text) => {
                count += 1;
                let mut words = text.split(' ');
                let publisher = words.next().expect("a publisher").to_owned();
                let i: usize = words.next().map_or(0, |i| i.parse().expect("a number"));
                let next = next.entry(publisher).or_insert(0);
                assert!(i >= *next, "a duplicate or disorder");
                *next = i + 1;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("no close frame")
}

/// Sends of two threads to the same connections, of which each thread's arrive in its order.
#[test]
fn promise_1_sends_of_one_thread_arrive_in_order() {
    const COUNT: usize = 500;
    in_each_mode(|mode| {
        let (ids, opened) = channel();
        let script = Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test"));
        let server = Running::start(mode.builder().event_loops(2), script);
        let mut clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
        let ids: Vec<_> = clients.iter().map(|_| soon(&opened)).collect();
        std::thread::scope(|scope| {
            for sender in 0..2 {
                let (ids, handle) = (&ids, server.handle());
                scope.spawn(move || {
                    for (i, &id) in (0..COUNT).flat_map(|i| ids.iter().map(move |id| (i, id))) {
                        assert!(handle.send(id, format!("{sender} {i}")).is_accepted());
                    }
                });
            }
        });
        for client in &mut clients {
            let mut next = [0, 0];
            while next != [COUNT, COUNT] {
                let Received::Text(text) = client.recv() else { panic!("not a text") };
                let (sender, i) = text.split_once(' ').expect("two numbers");
                let next = &mut next[sender.parse::<usize>().expect("a sender")];
                assert_eq!(i.parse(), Ok(*next), "nothing lost, nothing twice");
                *next += 1;
            }
        }
    });
}
