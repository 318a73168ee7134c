//! Captured streams made for a test.

use std::fs;
use std::io::Write;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::support::Directory;

const START: u64 = 1_723_161_600_000_000_000;

/// Those of one test.
#[derive(Debug)]
pub(crate) struct Captures(Directory);

impl Captures {
    pub(crate) fn new(test: &str) -> Self {
        Self(Directory::new(test))
    }

    pub(crate) fn plain(&self, name: &str, lines: &[String]) -> String {
        self.write(name, lines.join("\n").as_bytes())
    }

    pub(crate) fn gzip(&self, name: &str, lines: &[String]) -> String {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(lines.join("\n").as_bytes()).expect("compress");
        self.write(name, &encoder.finish().expect("compress"))
    }

    fn write(&self, name: &str, content: &[u8]) -> String {
        let path = self.0.file(name);
        fs::write(&path, content).expect("write a capture");
        display(&path)
    }
}

pub(crate) fn display(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

/// A capture of one symbol: `count` rounds of depth, trade and best prices, `offset` nanoseconds
/// behind the full tenth of a second.
pub(crate) fn capture(symbol: &str, count: u64, offset: u64) -> Vec<String> {
    let mut lines = Vec::new();
    for round in 0..count {
        let at = START + round * 100_000_000 + offset;
        let (bid, update) = (1000 + round % 7, 10 * (round + 1));
        let (first, ask) = (update - 9, bid + 1);
        lines.push(format!(
            r#"{at} {{"stream":"{symbol}@depth@100ms","data":{{"e":"depthUpdate","U":{first},"u":{update},"b":[["{bid}.5","1.{round:05}"]],"a":[["{ask}.0","2.5"]]}}}}"#
        ));
        lines.push(format!(
            r#"{} {{"stream":"{symbol}@trade","data":{{"t":{round},"p":"{bid}.5","q":"0.25","m":{}}}}}"#,
            at + 1,
            round % 2 == 0
        ));
        lines.push(format!(
            r#"{} {{"stream":"{symbol}@bookTicker","data":{{"u":{update},"b":"{bid}.5","B":"1.{round:05}","a":"{ask}.0","A":"2.5"}}}}"#,
            at + 2
        ));
    }
    lines
}

/// The texts of captured lines, of all files merged by receive time: at the same time, those of
/// an earlier file come first.
pub(crate) fn merged_texts(files: &[Vec<String>]) -> Vec<&str> {
    let mut lines: Vec<(u64, &str)> = Vec::new();
    for line in files.iter().flatten() {
        let (time, text) = line.split_once(' ').expect("a time and a text");
        lines.push((time.parse().expect("a time"), text));
    }
    // Stable: lines of one file stay in order.
    lines.sort_by_key(|&(time, _)| time);
    lines.into_iter().map(|(_, text)| text).collect()
}
