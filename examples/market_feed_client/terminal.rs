//! A terminal that is drawn upon, and left as it was found.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

/// The other screen, no cursor, and lines that are cut off at the edge instead of wrapped.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// What lies between the two appears at once, where terminals know of it.
const BEGIN_FRAME: &str = "\x1b[?2026h\x1b[H";
const END_FRAME: &str = "\x1b[J\x1b[?2026l";

/// Drawn upon from its making until it is dropped, by a panic too.
pub(crate) struct Terminal {
    size: (usize, usize),
}

impl Terminal {
    /// Takes the terminal; `None` if the output is none.
    pub(crate) fn take() -> Option<Self> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let mut terminal = Self { size: (24, 80) };
        terminal.measure();
        write(ENTER).ok()?;
        Some(terminal)
    }

    /// Rows and columns, as of the last measurement.
    pub(crate) fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Asks how large the terminal is: people change that while they look at it.
    pub(crate) fn measure(&mut self) {
        if let Some(size) = stty_size().filter(|&(rows, columns)| rows > 0 && columns > 0) {
            self.size = size;
        }
    }

    /// Shows these lines.
    pub(crate) fn draw(&self, lines: &[String]) -> io::Result<()> {
        let mut frame = String::from(BEGIN_FRAME);
        for (index, line) in lines.iter().enumerate() {
            if index > 0 {
                frame.push_str("\r\n");
            }
            frame.push_str(line);
            frame.push_str("\x1b[K");
        }
        frame.push_str(END_FRAME);
        write(&frame)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The terminal may be gone.
        let _ = write(LEAVE);
    }
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// `stty` knows what only an `ioctl` would tell otherwise.
fn stty_size() -> Option<(usize, usize)> {
    let terminal = File::open("/dev/tty").ok()?;
    let output = Command::new("stty")
        .arg("size")
        .stdin(Stdio::from(terminal))
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (rows, columns) = text.trim().split_once(' ')?;
    Some((rows.parse().ok()?, columns.parse().ok()?))
}
