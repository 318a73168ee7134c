//! One captured file, read line by line: plain text or gzip, told apart by their first bytes.
//!
//! Memory is bounded by [`MAX_LINE_LEN`], whatever the file holds. What cannot be read is counted
//! and reported with file and line, and never ends the program.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

/// The longest line that is read, in bytes; longer ones are skipped.
pub(crate) const MAX_LINE_LEN: usize = 8 << 20;

/// A file being read.
pub(crate) struct Capture {
    path: PathBuf,
    reader: Option<Box<dyn BufRead + Send>>,
    line: Vec<u8>,
    line_number: u64,
}

/// What reading on brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line without its end.
    Text(&'a str),
    /// A line, or the rest of the file, that cannot be used; the text says which and why.
    Bad(String),
    /// Nothing follows.
    End,
}

impl Capture {
    /// Opens a file. The error names it.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
        };
        let mut file = BufReader::with_capacity(1 << 16, File::open(path).map_err(named)?);
        // RFC 1952 §2.3.1: ID1 and ID2.
        let is_gzip = file.fill_buf().map_err(named)?.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok(Self { path: path.into(), reader: Some(reader), line: Vec::new(), line_number: 0 })
    }

    /// Where the last line stood, for messages: the file's path and the line's number from 1.
    pub(crate) fn position(&self) -> String {
        format!("{}:{}", self.path.display(), self.line_number)
    }

    /// The line read last, if it was a good one.
    pub(crate) fn line(&self) -> &str {
        std::str::from_utf8(&self.line).unwrap_or_default()
    }

    /// Reads the next line that is not empty.
    pub(crate) fn next_line(&mut self) -> Line<'_> {
        let complete = loop {
            let Some(reader) = &mut self.reader else { return Line::End };
            self.line.clear();
            self.line_number += 1;
            match read_line(reader, &mut self.line, MAX_LINE_LEN) {
                Ok(Ended::File) if self.line.is_empty() => {
                    self.reader = None;
                    return Line::End;
                }
                Ok(Ended::File | Ended::Line) if self.line.is_empty() => {}
                Ok(Ended::File | Ended::Line) => break true,
                Ok(Ended::TooLong) => break false,
                Err(error) => {
                    // A compressed file cut short, or broken: the lines before it were whole.
                    self.reader = None;
                    return Line::Bad(format!(
                        "{}: the file cannot be read further ({error}), the {} lines before are kept",
                        self.position(),
                        self.line_number - 1
                    ));
                }
            }
        };
        if !complete {
            let position = self.position();
            return Line::Bad(format!("{position}: longer than {MAX_LINE_LEN} bytes"));
        }
        // Checked twice because a borrow that is returned on one path lasts for all of them.
        if let Err(error) = std::str::from_utf8(&self.line) {
            return Line::Bad(format!("{}: not UTF-8 ({error})", self.position()));
        }
        Line::Text(self.line())
    }
}

enum Ended {
    Line,
    File,
    TooLong,
}

/// Appends one line without its `\n` or `\r\n`; of a line that is too long, nothing is kept.
fn read_line(reader: &mut dyn BufRead, line: &mut Vec<u8>, max_len: usize) -> io::Result<Ended> {
    let mut too_long = false;
    let ended = loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            break Ended::File;
        }
        let end = available.iter().position(|&byte| byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        too_long |= line.len() + part.len() > max_len;
        if too_long {
            *line = Vec::new();
        } else {
            line.extend_from_slice(part);
        }
        let used = part.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            break Ended::Line;
        }
    };
    if too_long {
        return Ok(Ended::TooLong);
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch_dir::{ScratchDir, gzip};

    fn lines(capture: &mut Capture) -> (Vec<String>, Vec<String>) {
        let (mut texts, mut bad) = (Vec::new(), Vec::new());
        loop {
            match capture.next_line() {
                Line::Text(text) => texts.push(text.to_owned()),
                Line::Bad(reason) => bad.push(reason),
                Line::End => return (texts, bad),
            }
        }
    }

    #[test]
    fn reads_plain_text_gzip_and_joined_gzip_alike() {
        let dir = ScratchDir::new("capture-kinds");
        let text = b"one\n\ntwo\r\nthree";
        let joined = [gzip(&text[..6]), gzip(&text[6..])].concat();
        for (name, bytes) in [("plain", text.to_vec()), ("gzip", gzip(text)), ("joined", joined)] {
            let mut capture = Capture::open(&dir.write(name, &bytes)).unwrap();
            assert_eq!(lines(&mut capture).0, ["one", "two", "three"], "{name}");
            assert_eq!(capture.next_line(), Line::End);
        }
        let mut capture = Capture::open(&dir.write("empty", b"")).unwrap();
        assert_eq!(capture.next_line(), Line::End);
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = Capture::open(Path::new("no/such/capture.gz")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("no/such/capture.gz"), "{error}");
    }

    #[test]
    fn gzip_cut_short_keeps_what_was_read_and_says_so() {
        let dir = ScratchDir::new("capture-cut");
        let text: String =
            (0..20_000).map(|n| format!("line {n} {}\n", n * 7919 % 10_007)).collect();
        let whole = gzip(text.as_bytes());
        let path = dir.write("cut.gz", &whole[..whole.len() / 2]);
        let (texts, bad) = lines(&mut Capture::open(&path).unwrap());
        assert!(texts.len() > 1000, "{} lines", texts.len());
        let expected: Vec<_> = text.lines().take(texts.len()).collect();
        assert_eq!(texts, expected);
        assert_eq!(bad.len(), 1);
        let position = format!("cut.gz:{}", texts.len() + 1);
        assert!(bad[0].contains(&position) && bad[0].contains("are kept"), "{}", bad[0]);
    }

    #[test]
    fn skips_lines_that_are_not_text_or_too_long() {
        let dir = ScratchDir::new("capture-bad");
        let mut bytes = b"first\n\xFF\xFE\n".to_vec();
        bytes.resize(bytes.len() + MAX_LINE_LEN + 1, b'x');
        bytes.extend_from_slice(b"\nlast\n");
        let (texts, bad) = lines(&mut Capture::open(&dir.write("bad", &bytes)).unwrap());
        assert_eq!(texts, ["first", "last"]);
        assert_eq!(bad.len(), 2);
        assert!(bad[0].contains("bad:2: not UTF-8"), "{}", bad[0]);
        assert!(bad[1].contains("bad:3: longer than"), "{}", bad[1]);
    }
}
