//! What goes first when everything waits.

use tickwire::{Overflow, TopicOptions};

use super::stage::{Stage, sequence_of};
use super::support::{Received, Script, eventually, in_each_mode};

const PUBLICATION_COUNT: u64 = 60;
const DIRECT_COUNT: usize = 20;

/// So long that what the kernel takes after all, when nobody reads, is at most a few of them.
fn direct(i: usize) -> String {
    format!("direct {i} {}", "x".repeat(8000))
}

/// The pong, then what is sent to the client alone, then publications, then the close frame: though
/// they began to wait in quite another order.
#[test]
fn control_frames_go_first_then_direct_sends_then_publications_and_the_close_frame_last() {
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, _| {
            for i in DIRECT_COUNT / 2..DIRECT_COUNT {
                assert!(ctx.send(direct(i)).is_accepted());
            }
            ctx.close(tickwire::CloseCode::NORMAL, "that is all");
        });
        let stage = Stage::new(mode.builder(), TopicOptions::every(Overflow::Close), script);
        let (mut client, id) = stage.subscribe();
        stage.publish(PUBLICATION_COUNT, 1);
        assert_eq!(stage.settled(1).delivered, PUBLICATION_COUNT);
        for i in 0..DIRECT_COUNT / 2 {
            let sent = stage.server.handle().send(id, direct(i));
            assert!(sent.is_accepted(), "{sent:?}");
        }
        let sent = || stage.server.handle().stats().total.messages_sent;
        eventually("they wait", || sent() == DIRECT_COUNT as u64 / 2);
        client.ping(b"in between");
        client.send_text("the rest, please");
        eventually("all of it waits", || sent() == DIRECT_COUNT as u64);

        let mut received = Vec::new();
        while !matches!(received.last(), Some(Received::Close(..))) {
            received.push(client.recv());
            assert!(!matches!(received.last(), Some(Received::End | Received::Reset)), "too early");
        }
        client.close(1000, "");
        client.expect_end();

        let pong = Received::Pong(b"in between".to_vec());
        let pong_at = received.iter().position(|it| *it == pong).expect("a pong");
        received.remove(pong_at);
        let direct_at = received.iter().position(|it| *it == Received::text(direct(0)));
        let direct_at = direct_at.expect("what was sent directly");
        let before = pong_at.saturating_sub(direct_at);
        assert!(before < DIRECT_COUNT / 4, "the pong comes behind {before} direct sends");
        let (gone, rest) = received.split_at(direct_at);
        let (directs, rest) = rest.split_at(DIRECT_COUNT);
        for (i, received) in directs.iter().enumerate() {
            assert!(*received == Received::text(direct(i)), "direct send {i} is not in its place");
        }
        let (close, behind) = rest.split_last().expect("a close frame");
        assert_eq!(*close, Received::Close(1000, "that is all".into()));
        let publications: Vec<_> = gone.iter().chain(behind).map(sequence_of).collect();
        assert!(publications.into_iter().eq(1..=PUBLICATION_COUNT), "each once and in order");
        // What the kernel has taken cannot be overtaken.
        assert!(behind.len() as u64 > PUBLICATION_COUNT / 4, "{} behind", behind.len());
    });
}

/// Publications of several topics keep their order among each other, also where they wait.
#[test]
fn publications_of_several_topics_wait_in_one_line() {
    in_each_mode(|mode| {
        let options = TopicOptions::every(Overflow::Close);
        let stage = Stage::new(mode.builder(), options, Script::new());
        let (mut client, id) = stage.subscribe();
        let other = stage.server.handle().topic("other");
        assert!(stage.server.handle().subscribe(id, &other).is_subscribed());
        for i in 0..PUBLICATION_COUNT {
            stage.publish(1, 1);
            other.publish(format!("{i} of the other"));
        }
        stage.settled(1);
        for i in 0..PUBLICATION_COUNT {
            assert_eq!(sequence_of(&client.recv()), i + 1);
            client.expect_text(&format!("{i} of the other"));
        }
    });
}
