//! Attackers that make the server hold something for them, and then do nothing.

use std::time::Duration;

use tickwire::frame::OpCode;

use super::ground::{Ground, frame};
use super::{Answer, Attack, rest};
use crate::settings::{self, MAX_MESSAGE_LEN, Reach};
use crate::support::Client;
use crate::support::feed::Kind;

const PAUSE: Duration = Duration::from_millis(50);
const COUNT: usize = 12;

/// Who does not answer pings is given up, without a word.
const SILENT: &[&str] = &["end", "reset"];
/// Nor who takes nothing; or it gets a close frame, if it looks before it is given up.
const DEAF: &[&str] = &["close 1013", "end", "reset"];

pub(super) const ATTACKS: [Attack; 5] = [
    attack("half a frame", Reach::Short, SILENT, |ground| {
        ground.answer_to(&frame(true, OpCode::Text, &[b'x'; 1000])[..500])
    }),
    attack("most of a message", Reach::Message, SILENT, |ground| {
        let message = frame(true, OpCode::Binary, &[0; MAX_MESSAGE_LEN]);
        ground.answer_to(&message[..message.len() - 1])
    }),
    attack("never reads echoes", Reach::Backlog, DEAF, |ground| {
        let client = ground.open_by(&ground.dial("/").receive_len(8 << 10))?;
        ask_for_echoes(ground, &client);
        Ok(wait_deaf(ground, client))
    }),
    attack("never reads publications", Reach::Backlog, DEAF, |ground| {
        let client = ground.open_by(&ground.dial("/feed").receive_len(8 << 10))?;
        subscribe(&client);
        Ok(wait_deaf(ground, client))
    }),
    attack("never reads, and half a message", Reach::Backlog, DEAF, |ground| {
        let client = ground.open_by(&ground.dial("/feed").receive_len(8 << 10))?;
        subscribe(&client);
        ask_for_echoes(ground, &client);
        let message = frame(true, OpCode::Binary, &[0; MAX_MESSAGE_LEN]);
        let _ = client.try_send_raw(&message[..message.len() - 1]);
        Ok(wait_deaf(ground, client))
    }),
];

const fn attack(
    name: &'static str,
    reach: Reach,
    answers: &'static [&'static str],
    run: fn(&Ground) -> Result<Answer, Answer>,
) -> Attack {
    Attack { name, count: COUNT, reach, run, pause: PAUSE, answers }
}

fn subscribe(client: &Client) {
    for kind in Kind::ALL {
        let _ = client.try_send_raw(&frame(true, OpCode::Text, kind.name().as_bytes()));
    }
}

/// Sends messages for as long as the server takes them.
fn ask_for_echoes(ground: &Ground, client: &Client) {
    let message = frame(true, OpCode::Binary, &[0; 20_000]);
    while !ground.is_over() && client.try_send_raw(&message).is_ok() {}
}

/// Reads nothing until the server must have ended the connection; then all.
fn wait_deaf(ground: &Ground, mut client: Client) -> Answer {
    rest(ground, settings::DEAF_PATIENCE);
    ground.answer(&mut client)
}
