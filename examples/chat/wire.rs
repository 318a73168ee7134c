//! What clients and the server say to each other: one JSON object in each text message.

use serde::{Deserialize, Serialize};

/// What a client may ask for.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Request {
    /// Enter a room, which is made if there is none of this name.
    Join { room: String, name: String },
    /// Say something to the room.
    Say { text: String },
    /// Leave the room.
    Leave,
}

/// What the server tells.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Notice<'a> {
    /// To a newcomer: who is in the room, the newcomer included, and what was said last.
    Joined { room: &'a str, name: &'a str, members: Vec<&'a str>, history: Vec<&'a Said> },
    /// To the room, the newcomer included: somebody came or left; how many are there now.
    Member { room: &'a str, name: &'a str, present: bool, members: usize },
    /// To the room, the speaker included.
    Said {
        room: &'a str,
        #[serde(flatten)]
        said: &'a Said,
    },
    /// To whoever asked for what cannot be.
    Error { message: &'a str },
    /// To everybody: all rooms, by name. Sent when a connection opens and when they change.
    Rooms { rooms: Vec<RoomSize<'a>> },
}

impl Notice<'_> {
    pub(crate) fn to_json(&self) -> String {
        // Strings, numbers and flags under keys that are strings: nothing here can fail.
        serde_json::to_string(self).expect("a notice is JSON")
    }
}

/// Something that somebody said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Said {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Milliseconds since the Unix epoch.
    pub(crate) time: u64,
}

/// How many are in a room.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RoomSize<'a> {
    pub(crate) room: &'a str,
    pub(crate) members: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Request, serde_json::Error> {
        serde_json::from_str(json)
    }

    #[test]
    fn requests_are_read_and_unknown_ones_are_explained() {
        let join = Request::Join { room: "lobby".into(), name: "ada".into() };
        assert_eq!(read(r#"{"type":"join","room":"lobby","name":"ada"}"#).unwrap(), join);
        let say = Request::Say { text: "hi \u{1f600}".into() };
        assert_eq!(read(r#"{"type":"say","text":"hi \ud83d\ude00"}"#).unwrap(), say);
        assert_eq!(read(r#"{"type":"leave"}"#).unwrap(), Request::Leave);
        for (json, why) in [
            ("", "EOF"),
            ("[]", "missing field `type`"),
            (r#"{"type":"sing"}"#, "unknown variant `sing`"),
            (r#"{"type":"join","room":"lobby"}"#, "missing field `name`"),
            (r#"{"type":"say","text":7}"#, "expected a string"),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(why), "{json}: {error}");
        }
    }

    #[test]
    fn notices_have_the_shape_that_pages_expect() {
        let said = Said { name: "ada".into(), text: "\"hi\"".into(), time: 7 };
        let (room, name) = ("lobby", "ada");
        let joined =
            Notice::Joined { room, name, members: vec!["ada", "bob"], history: vec![&said] };
        for (notice, json) in [
            (
                joined,
                concat!(
                    r#"{"type":"joined","room":"lobby","name":"ada","members":["ada","bob"],"#,
                    r#""history":[{"name":"ada","text":"\"hi\"","time":7}]}"#
                ),
            ),
            (
                Notice::Member { room, name, present: false, members: 1 },
                r#"{"type":"member","room":"lobby","name":"ada","present":false,"members":1}"#,
            ),
            (
                Notice::Said { room, said: &said },
                r#"{"type":"said","room":"lobby","name":"ada","text":"\"hi\"","time":7}"#,
            ),
            (Notice::Error { message: "no" }, r#"{"type":"error","message":"no"}"#),
            (
                Notice::Rooms { rooms: vec![RoomSize { room, members: 2 }] },
                r#"{"type":"rooms","rooms":[{"room":"lobby","members":2}]}"#,
            ),
        ] {
            assert_eq!(notice.to_json(), json);
        }
    }
}
