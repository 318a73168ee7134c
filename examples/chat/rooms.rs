//! Who is in which room and what was said there last. Knows no connection, thread or clock.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::wire::{RoomSize, Said};

/// The longest name, in characters.
pub(crate) const MAX_NAME_LEN: usize = 32;

/// The longest name of a room, in characters.
pub(crate) const MAX_ROOM_LEN: usize = 40;

/// The longest text, in characters.
pub(crate) const MAX_TEXT_LEN: usize = 2000;

/// What a room remembers for newcomers, in messages.
pub(crate) const MAX_HISTORY_COUNT: usize = 50;

/// The most rooms: everybody is sent the list of them.
pub(crate) const MAX_ROOM_COUNT: usize = 200;

/// The most members of a room: newcomers are sent the list of them.
pub(crate) const MAX_MEMBER_COUNT: usize = 1000;

/// All rooms. A room exists while it has members.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    by_name: BTreeMap<String, Room>,
}

/// One room: at least one member, and what was said last.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// Names as they are shown, by names in lower case: "Ada" and "ada" would be taken for one.
    members: BTreeMap<String, String>,
    history: VecDeque<Said>,
}

/// Why a request cannot be; the text is for whoever asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    Empty(&'static str),
    TooLong { what: &'static str, limit: usize },
    ControlCharacter(&'static str),
    NameTaken { name: String, room: String },
    RoomFull,
    TooManyRooms,
}

impl Rooms {
    /// Lets somebody in, and makes the room if there is none. Takes names as [`clean_name`] and
    /// [`clean_room`] give them.
    pub(crate) fn join(&mut self, room: &str, name: &str) -> Result<&Room, Refused> {
        match self.by_name.get(room) {
            Some(there) if there.members.contains_key(&name.to_lowercase()) => {
                return Err(Refused::NameTaken { name: name.into(), room: room.into() });
            }
            Some(there) if there.members.len() >= MAX_MEMBER_COUNT => {
                return Err(Refused::RoomFull);
            }
            None if self.by_name.len() >= MAX_ROOM_COUNT => return Err(Refused::TooManyRooms),
            Some(_) | None => {}
        }
        let there = self.by_name.entry(room.to_owned()).or_default();
        there.members.insert(name.to_lowercase(), name.to_owned());
        Ok(there)
    }

    /// Keeps what was said for those who come later.
    pub(crate) fn record(&mut self, room: &str, said: Said) {
        let Some(room) = self.by_name.get_mut(room) else { return };
        if room.history.len() == MAX_HISTORY_COUNT {
            room.history.pop_front();
        }
        room.history.push_back(said);
    }

    /// Lets somebody go; answers how many are left. The last one takes the room along, with all
    /// that was said.
    pub(crate) fn leave(&mut self, room: &str, name: &str) -> usize {
        let Some(there) = self.by_name.get_mut(room) else { return 0 };
        there.members.remove(&name.to_lowercase());
        let left = there.members.len();
        if left == 0 {
            self.by_name.remove(room);
        }
        left
    }

    /// All rooms and how many are in them, by name.
    pub(crate) fn sizes(&self) -> Vec<RoomSize<'_>> {
        let size = |room: &Room| room.members.len();
        self.by_name
            .iter()
            .map(|(name, room)| RoomSize { room: name, members: size(room) })
            .collect()
    }
}

impl Room {
    pub(crate) fn members(&self) -> Vec<&str> {
        self.members.values().map(String::as_str).collect()
    }

    pub(crate) fn history(&self) -> Vec<&Said> {
        self.history.iter().collect()
    }
}

/// A member's name without the space around it.
pub(crate) fn clean_name(name: &str) -> Result<&str, Refused> {
    clean("name", name, MAX_NAME_LEN)
}

/// A room's name without the space around it.
pub(crate) fn clean_room(room: &str) -> Result<&str, Refused> {
    clean("room's name", room, MAX_ROOM_LEN)
}

/// Names are one visible line.
fn clean<'a>(what: &'static str, name: &'a str, limit: usize) -> Result<&'a str, Refused> {
    let name = name.trim();
    if name.chars().any(char::is_control) {
        return Err(Refused::ControlCharacter(what));
    }
    within(what, name, limit)?;
    Ok(name)
}

/// Checks a text, which may have lines.
pub(crate) fn check_text(text: &str) -> Result<(), Refused> {
    within("text", text, MAX_TEXT_LEN)
}

fn within(what: &'static str, text: &str, limit: usize) -> Result<(), Refused> {
    if text.trim().is_empty() {
        Err(Refused::Empty(what))
    } else if text.chars().nth(limit).is_some() {
        Err(Refused::TooLong { what, limit })
    } else {
        Ok(())
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty(what) => write!(f, "the {what} is empty"),
            Self::TooLong { what, limit } => {
                write!(f, "the {what} is longer than {limit} characters")
            }
            Self::ControlCharacter(what) => write!(f, "the {what} has a control character in it"),
            Self::NameTaken { name, room } => {
                write!(f, "somebody in {room} is called {name} already")
            }
            Self::RoomFull => write!(f, "the room is full: it has {MAX_MEMBER_COUNT} members"),
            Self::TooManyRooms => {
                write!(f, "no more rooms can be opened: there are {MAX_ROOM_COUNT}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(name: &str, text: &str) -> Said {
        Said { name: name.into(), text: text.into(), time: 0 }
    }

    fn sizes(rooms: &Rooms) -> Vec<(&str, usize)> {
        rooms.sizes().iter().map(|size| (size.room, size.members)).collect()
    }

    #[test]
    fn a_room_lives_while_it_has_members_and_takes_its_history_along() {
        let mut rooms = Rooms::default();
        assert_eq!(rooms.join("lobby", "bob").unwrap().members(), ["bob"]);
        assert_eq!(rooms.join("lobby", "ada").unwrap().members(), ["ada", "bob"]);
        rooms.join("attic", "bob").unwrap();
        assert_eq!(sizes(&rooms), [("attic", 1), ("lobby", 2)]);
        rooms.record("lobby", said("ada", "hi"));
        assert_eq!(rooms.leave("lobby", "ada"), 1);
        assert_eq!(rooms.join("lobby", "eve").unwrap().history(), [&said("ada", "hi")]);
        assert_eq!(rooms.leave("lobby", "bob"), 1);
        assert_eq!(rooms.leave("lobby", "eve"), 0);
        assert_eq!(sizes(&rooms), [("attic", 1)]);
        assert_eq!(rooms.join("lobby", "eve").unwrap().history(), Vec::<&Said>::new());
    }

    #[test]
    fn a_name_is_taken_until_its_owner_leaves_whatever_its_case() {
        let mut rooms = Rooms::default();
        rooms.join("lobby", "\u{c4}da").unwrap();
        for name in ["\u{c4}da", "\u{e4}da", "\u{e4}DA"] {
            let taken = Refused::NameTaken { name: name.into(), room: "lobby".into() };
            assert_eq!(rooms.join("lobby", name).unwrap_err(), taken);
        }
        assert!(rooms.join("attic", "\u{e4}da").is_ok());
        rooms.leave("lobby", "\u{c4}da");
        assert_eq!(rooms.join("lobby", "\u{e4}da").unwrap().members(), ["\u{e4}da"]);
    }

    #[test]
    fn only_the_latest_messages_are_kept_in_order() {
        let mut rooms = Rooms::default();
        rooms.join("lobby", "ada").unwrap();
        for i in 0..MAX_HISTORY_COUNT + 3 {
            rooms.record("lobby", said("ada", &i.to_string()));
        }
        let room = rooms.join("lobby", "bob").unwrap();
        let texts: Vec<&str> = room.history().iter().map(|said| said.text.as_str()).collect();
        let expected: Vec<String> = (3..MAX_HISTORY_COUNT + 3).map(|i| i.to_string()).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn nothing_is_kept_for_a_room_that_is_not_there() {
        let mut rooms = Rooms::default();
        rooms.record("nowhere", said("ada", "hi"));
        assert_eq!(rooms.leave("nowhere", "ada"), 0);
        assert!(rooms.sizes().is_empty());
    }

    #[test]
    fn rooms_and_their_members_are_limited() {
        let mut rooms = Rooms::default();
        for i in 0..MAX_ROOM_COUNT {
            rooms.join(&format!("room {i}"), "ada").unwrap();
        }
        assert_eq!(rooms.join("one more", "ada").unwrap_err(), Refused::TooManyRooms);
        for i in 1..MAX_MEMBER_COUNT {
            rooms.join("room 0", &format!("ada {i}")).unwrap();
        }
        assert_eq!(rooms.join("room 0", "one more").unwrap_err(), Refused::RoomFull);
        rooms.leave("room 0", "ada");
        assert!(rooms.join("room 0", "one more").is_ok());
    }

    #[test]
    fn names_are_one_visible_line_of_limited_length() {
        assert_eq!(clean_name("  ada \u{1f600}\n"), Ok("ada \u{1f600}"));
        assert_eq!(clean_name(" \t "), Err(Refused::Empty("name")));
        assert_eq!(clean_room("a\nb"), Err(Refused::ControlCharacter("room's name")));
        assert_eq!(clean_room("a\u{7f}b"), Err(Refused::ControlCharacter("room's name")));
        let longest = "\u{e9}".repeat(MAX_NAME_LEN);
        assert_eq!(clean_name(&longest), Ok(longest.as_str()));
        let too_long = Refused::TooLong { what: "name", limit: MAX_NAME_LEN };
        assert_eq!(clean_name(&(longest + "e")), Err(too_long));
        assert!(clean_room(&"r".repeat(MAX_ROOM_LEN)).is_ok());
        assert!(clean_room(&"r".repeat(MAX_ROOM_LEN + 1)).is_err());
    }

    #[test]
    fn texts_may_have_lines_but_not_nothing_and_not_too_much() {
        assert_eq!(check_text("two\nlines\n"), Ok(()));
        assert_eq!(check_text(" \n"), Err(Refused::Empty("text")));
        assert_eq!(check_text(&"\u{e9}".repeat(MAX_TEXT_LEN)), Ok(()));
        let too_long = Refused::TooLong { what: "text", limit: MAX_TEXT_LEN };
        assert_eq!(check_text(&"e".repeat(MAX_TEXT_LEN + 1)), Err(too_long));
    }
}
