//! Captured streams as one: files merged by receive time, once or over and over.
//!
//! The files are streamed, never held in memory. Each is read a first time (its first
//! [`SCAN_LINES`] lines) to learn the symbols and how many decimals their numbers have.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

use crate::binance::{Line, LineError, Payload, display_name};
use crate::capture::{self, Capture};
use crate::message::{Directory, Instrument};

/// The lines of each file that are searched for symbols before the replay begins.
pub(crate) const SCAN_LINES: usize = 200_000;
/// The most faults that are reported one by one; the others are only counted.
const MAX_REPORTS: u64 = 20;
/// Time between the last message of one pass and the first of the next, in nanoseconds.
const PAUSE: u64 = 1_000_000_000;

/// Why a replay cannot begin.
#[derive(Debug, Error)]
pub(crate) enum ReplayError {
    /// A file cannot be opened; the error names it.
    #[error(transparent)]
    Open(#[from] io::Error),
    /// No line of any file is a stream message.
    #[error(
        "no stream message in {0}: lines must be a receive time in nanoseconds, a space and the JSON text"
    )]
    Empty(String),
    /// A wanted symbol is in none of the files.
    #[error("symbol {0} is not in the captured files, which have {1}")]
    UnknownSymbol(String, String),
}

/// The files being replayed.
pub(crate) struct Replay {
    paths: Vec<PathBuf>,
    is_repeated: bool,
    directory: Arc<Directory>,
    /// Symbols in lower case, as streams name them.
    symbols: HashMap<String, u16>,
    /// Whether the symbols that are not in the directory were left out on purpose.
    is_filtered: bool,
    files: Vec<Head>,
    /// The file whose line was handed out and has to be replaced by its next one.
    consumed: Option<usize>,
    /// Added to captured times, so that time goes on from pass to pass.
    shift: u64,
    /// The time of the last record, shifted.
    time: u64,
    passes: u64,
    records_in_pass: u64,
    faults: Faults,
}

/// One message of the capture.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// When it was received, in nanoseconds since the Unix epoch; never less than of the record
    /// before it.
    pub(crate) time: u64,
    pub(crate) symbol: u16,
    pub(crate) payload: Payload,
    /// The JSON text as it was received.
    pub(crate) text: &'a str,
    /// How often the files have been begun, from 1. Where it rises, what was known of the books
    /// is no longer true.
    pub(crate) pass: u64,
}

/// A file and the time of its current line; `None` at its end.
struct Head {
    capture: Capture,
    time: Option<u64>,
}

/// What could not be used.
#[derive(Debug, Default)]
struct Faults {
    count: u64,
    #[cfg(test)]
    reports: Vec<String>,
}

impl Replay {
    /// Opens the files and learns their symbols. `wanted` leaves only these symbols.
    pub(crate) fn open(
        paths: &[PathBuf],
        wanted: Option<&[String]>,
        is_repeated: bool,
    ) -> Result<Self, ReplayError> {
        let mut instruments = scan(paths)?;
        if let Some(wanted) = wanted {
            instruments = select(instruments, wanted)?;
        }
        let lower_case = |instrument: &Instrument| instrument.symbol.to_ascii_lowercase();
        let symbols = instruments.iter().map(lower_case).zip(0..).collect();
        let mut replay = Self {
            paths: paths.to_vec(),
            is_repeated,
            directory: Arc::new(Directory::new(instruments)),
            symbols,
            is_filtered: wanted.is_some(),
            files: Vec::new(),
            consumed: None,
            shift: 0,
            time: 0,
            passes: 0,
            records_in_pass: 0,
            faults: Faults::default(),
        };
        replay.begin_pass()?;
        Ok(replay)
    }

    /// The symbols found.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The number of lines, and of rests of files, that could not be used.
    pub(crate) fn fault_count(&self) -> u64 {
        self.faults.count
    }

    /// The reports of the first faults: file, line and what is wrong.
    #[cfg(test)]
    pub(crate) fn fault_reports(&self) -> impl Iterator<Item = &str> {
        self.faults.reports.iter().map(String::as_str)
    }

    /// When the next record is due, in nanoseconds since the Unix epoch; `None` at the end.
    pub(crate) fn next_time(&mut self) -> Option<u64> {
        if let Some(file) = self.consumed.take() {
            self.files[file].read_on(&mut self.faults);
        }
        loop {
            if let Some((_, time)) = self.earliest() {
                return Some(time.saturating_add(self.shift).max(self.time));
            }
            // A pass that brought nothing would only be followed by more of its kind.
            if !self.is_repeated || self.records_in_pass == 0 {
                return None;
            }
            if let Err(error) = self.begin_pass() {
                self.faults.report(error.to_string());
                self.files.clear();
                return None;
            }
        }
    }

    /// The next record that can be used; `None` at the end.
    pub(crate) fn next_record(&mut self) -> Option<Record<'_>> {
        let (file, symbol, payload, text_at) = loop {
            self.time = self.next_time()?;
            let (file, _) = self.earliest()?;
            self.consumed = Some(file);
            let capture = &self.files[file].capture;
            match self.read(capture.line()) {
                Ok(Some((symbol, payload, text_at))) => break (file, symbol, payload, text_at),
                Ok(None) => {}
                Err(error) => {
                    let position = capture.position();
                    self.faults.report(format!("{position}: {error}"));
                }
            }
        };
        self.records_in_pass += 1;
        let text = &self.files[file].capture.line()[text_at..];
        Some(Record { time: self.time, symbol, payload, text, pass: self.passes })
    }

    /// Reads a line; `None` if its symbol was left out. The last value is where its text begins.
    fn read(&self, line: &str) -> Result<Option<(u16, Payload, usize)>, ReadError> {
        let line_len = line.len();
        let line = Line::parse(line)?;
        let Some(&symbol) = self.symbols.get(line.symbol) else {
            if self.is_filtered {
                return Ok(None);
            }
            return Err(ReadError::LateSymbol(line.symbol.to_owned()));
        };
        let payload = line.payload(&self.directory.instruments()[usize::from(symbol)])?;
        Ok(Some((symbol, payload, line_len - line.text.len())))
    }

    /// The file with the earliest line, and that line's time.
    fn earliest(&self) -> Option<(usize, u64)> {
        let heads = self.files.iter().enumerate();
        heads.filter_map(|(file, head)| Some((file, head.time?))).min_by_key(|&(_, time)| time)
    }

    /// Opens the files from their beginnings.
    fn begin_pass(&mut self) -> Result<(), ReplayError> {
        self.files.clear();
        for path in &self.paths {
            let mut head = Head { capture: Capture::open(path)?, time: None };
            head.read_on(&mut self.faults);
            self.files.push(head);
        }
        if let (Some((_, first)), 1..) = (self.earliest(), self.passes) {
            self.shift = self.time.saturating_add(PAUSE).saturating_sub(first);
        }
        self.passes += 1;
        self.records_in_pass = 0;
        Ok(())
    }
}

#[derive(Debug, Error)]
enum ReadError {
    #[error(transparent)]
    Line(#[from] LineError),
    #[error("symbol {0} did not occur in the first {SCAN_LINES} lines of any file")]
    LateSymbol(String),
}

impl Head {
    /// Goes on to the next line that has a time.
    fn read_on(&mut self, faults: &mut Faults) {
        self.time = loop {
            match self.capture.next_line() {
                capture::Line::Text(line) => {
                    let time = line.split_once(' ').and_then(|(time, _)| time.parse().ok());
                    if time.is_some() {
                        break time;
                    }
                    faults.report(format!("{}: {}", self.capture.position(), LineError::NoTime));
                }
                capture::Line::Bad(report) => faults.report(report),
                capture::Line::End => break None,
            }
        };
    }
}

impl Faults {
    fn report(&mut self, report: String) {
        self.count += 1;
        if self.count <= MAX_REPORTS {
            log::warn!("skipped {report}");
            #[cfg(test)]
            self.reports.push(report);
        } else if self.count == MAX_REPORTS + 1 {
            log::warn!("more lines are skipped: from here on they are only counted");
        }
    }
}

/// The symbols in the beginnings of the files, in the order in which they occur.
fn scan(paths: &[PathBuf]) -> Result<Vec<Instrument>, ReplayError> {
    let mut instruments: Vec<Instrument> = Vec::new();
    let mut by_symbol: HashMap<String, usize> = HashMap::new();
    for path in paths {
        let mut capture = Capture::open(path)?;
        for _ in 0..SCAN_LINES {
            let line = match capture.next_line() {
                capture::Line::Text(line) => line,
                capture::Line::Bad(_) => continue,
                capture::Line::End => break,
            };
            let Ok(line) = Line::parse(line) else { continue };
            let at = by_symbol.get(line.symbol).copied().unwrap_or(instruments.len());
            if at == instruments.len() {
                // The binary encoding numbers symbols with 16 bits.
                if at > usize::from(u16::MAX) {
                    continue;
                }
                by_symbol.insert(line.symbol.to_owned(), at);
                let symbol = line.symbol.to_ascii_uppercase();
                let name = display_name(&symbol);
                instruments.push(Instrument {
                    symbol,
                    name,
                    price_decimals: 0,
                    quantity_decimals: 0,
                });
            }
            line.widen(&mut instruments[at]);
        }
    }
    if instruments.is_empty() {
        let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        return Err(ReplayError::Empty(paths.join(", ")));
    }
    Ok(instruments)
}

/// Leaves the wanted instruments, in the wanted order.
fn select(instruments: Vec<Instrument>, wanted: &[String]) -> Result<Vec<Instrument>, ReplayError> {
    let mut selected: Vec<Instrument> = Vec::with_capacity(wanted.len());
    for symbol in wanted {
        let found = instruments.iter().find(|found| found.symbol.eq_ignore_ascii_case(symbol));
        let Some(found) = found else {
            let all: Vec<_> = instruments.iter().map(|found| found.symbol.as_str()).collect();
            return Err(ReplayError::UnknownSymbol(symbol.clone(), all.join(", ")));
        };
        if !selected.contains(found) {
            selected.push(found.clone());
        }
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Side;
    use crate::scratch_dir::{ScratchDir, gzip};

    fn trade(time: u64, symbol: &str, id: u64) -> String {
        format!(
            "{time} {{\"stream\":\"{symbol}@trade\",\"data\":{{\"t\":{id},\"p\":\"10.50\",\"q\":\"2.0\",\"m\":false}}}}\n"
        )
    }

    /// Times, symbols and trade ids of up to `count` records.
    fn records(replay: &mut Replay, count: usize) -> Vec<(u64, u16, u64)> {
        let mut records = Vec::new();
        while records.len() < count {
            let due = replay.next_time();
            let Some(record) = replay.next_record() else { break };
            assert!(due <= Some(record.time));
            let Payload::Trade { id, price, quantity, side } = record.payload else {
                panic!("{record:?} is no trade");
            };
            assert_eq!((price, quantity, side), (105, 2, Side::Buy));
            assert!(record.text.starts_with("{\"stream\"") && record.text.ends_with("}}"));
            records.push((record.time, record.symbol, id));
        }
        records
    }

    #[test]
    fn merges_files_by_receive_time() {
        let dir = ScratchDir::new("replay-merge");
        let a = [trade(10, "aaausdt", 1), trade(30, "aaausdt", 3), trade(50, "aaausdt", 5)];
        let b = [trade(20, "bbbusdt", 2), trade(30, "bbbusdt", 4), trade(60, "bbbusdt", 6)];
        let paths = [
            dir.write("a", a.concat().as_bytes()),
            dir.write("b.gz", &gzip(b.concat().as_bytes())),
        ];
        let mut replay = Replay::open(&paths, None, false).unwrap();
        let symbols: Vec<_> = replay.directory().instruments().to_vec();
        assert_eq!(symbols[1].symbol, "BBBUSDT");
        assert_eq!((symbols[1].price_decimals, symbols[1].quantity_decimals), (1, 0));
        assert_eq!(
            records(&mut replay, 100),
            [(10, 0, 1), (20, 1, 2), (30, 0, 3), (30, 1, 4), (50, 0, 5), (60, 1, 6)]
        );
        assert_eq!(replay.next_time(), None);
        assert_eq!(replay.fault_count(), 0);
        let mut replay = Replay::open(&paths, Some(&["bbbUSDT".into()]), false).unwrap();
        assert_eq!(records(&mut replay, 100), [(20, 0, 2), (30, 0, 4), (60, 0, 6)]);
        assert_eq!(replay.fault_count(), 0);
    }

    #[test]
    fn reports_bad_lines_with_file_and_line_and_goes_on() {
        let dir = ScratchDir::new("replay-bad");
        let text = [
            "no time\n".to_owned(),
            trade(10, "aaausdt", 1),
            "20 {\"stream\":\n".to_owned(),
            "30 {\"stream\":\"aaausdt@trade\",\"data\":{}}\n".to_owned(),
            trade(5, "aaausdt", 2),
        ];
        let path = dir.write("bad.txt", text.concat().as_bytes());
        let mut replay = Replay::open(&[path], None, false).unwrap();
        // The clock never runs backwards, whatever the file says.
        assert_eq!(records(&mut replay, 100), [(10, 0, 1), (30, 0, 2)]);
        assert_eq!(replay.fault_count(), 3);
        let reports: Vec<_> = replay.fault_reports().collect();
        for (report, part) in reports.iter().zip([
            "bad.txt:1: does not begin with a receive time",
            "bad.txt:3: not a combined-stream message",
            "bad.txt:4: not a combined-stream message: missing field `t`",
        ]) {
            assert!(report.contains(part), "{report}");
        }
    }

    #[test]
    fn counts_faults_beyond_those_it_reports() {
        let dir = ScratchDir::new("replay-many-bad");
        let text = format!("{}{}", trade(1, "aaausdt", 1), "bad\n".repeat(1000));
        let mut replay = Replay::open(&[dir.write("bad", text.as_bytes())], None, false).unwrap();
        assert_eq!(records(&mut replay, 100).len(), 1);
        assert_eq!(replay.fault_count(), 1000);
        assert_eq!(replay.fault_reports().count() as u64, MAX_REPORTS);
    }

    #[test]
    fn repeats_with_time_going_on() {
        let dir = ScratchDir::new("replay-loop");
        let text = [trade(100, "aaausdt", 1), trade(400, "aaausdt", 2)].concat();
        let mut replay = Replay::open(&[dir.write("a", text.as_bytes())], None, true).unwrap();
        assert_eq!(
            records(&mut replay, 5),
            [
                (100, 0, 1),
                (400, 0, 2),
                (400 + PAUSE, 0, 1),
                (700 + PAUSE, 0, 2),
                (700 + 2 * PAUSE, 0, 1)
            ]
        );
        assert_eq!(replay.next_record().unwrap().pass, 3);
    }

    #[test]
    fn a_file_without_usable_records_does_not_repeat_for_ever() {
        let dir = ScratchDir::new("replay-hollow");
        let text = "1 {\"stream\":\"aaausdt@trade\",\"data\":{}}\n";
        let mut replay = Replay::open(&[dir.write("a", text.as_bytes())], None, true).unwrap();
        assert!(replay.next_record().is_none());
        assert_eq!(replay.fault_count(), 1);
    }

    #[test]
    fn says_why_it_cannot_begin() {
        let dir = ScratchDir::new("replay-none");
        let good = dir.write("good", trade(1, "aaausdt", 1).as_bytes());
        let error = |paths: &[PathBuf], wanted: Option<&[String]>| {
            Replay::open(paths, wanted, false).err().unwrap().to_string()
        };
        let missing = error(&[good.clone(), dir.path().join("gone.gz")], None);
        assert!(missing.contains("gone.gz"), "{missing}");
        let empty = error(&[dir.write("hollow", b"hello\n")], None);
        assert!(empty.contains("no stream message") && empty.contains("hollow"), "{empty}");
        let unknown = error(&[good], Some(&["XYZ".into()]));
        assert!(unknown.contains("XYZ") && unknown.contains("AAAUSDT"), "{unknown}");
    }
}
