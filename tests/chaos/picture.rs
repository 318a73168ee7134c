//! A picture of a run: how long echoes took and what the server held, over time.

use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::latency::Phase;

/// At most so many points on each line.
const MAX_COUNT: u32 = 300;

pub(crate) struct Picture {
    start: Instant,
    interval: Duration,
    samples: Vec<Sample>,
}

struct Sample {
    at: Duration,
    phase: Phase,
    /// The 99th percentile since the last sample; none where there was no echo.
    p99: Option<Duration>,
    resident_len: usize,
}

impl Picture {
    /// Of a run of this length.
    pub(crate) fn new(length: Duration) -> Self {
        let interval = (length / MAX_COUNT).max(Duration::from_millis(200));
        Self { start: Instant::now(), interval, samples: Vec::new() }
    }

    /// Whether it is time for the next sample.
    pub(crate) fn is_due(&self) -> bool {
        let last = self.samples.last().map_or(Duration::ZERO, |sample| sample.at);
        self.start.elapsed() >= last + self.interval
    }

    pub(crate) fn add(&mut self, phase: Phase, p99: Option<Duration>, resident_len: usize) {
        self.samples.push(Sample { at: self.start.elapsed(), phase, p99, resident_len });
    }

    /// Writes it to a file, whose path it returns.
    pub(crate) fn save(&self, name: &str) -> PathBuf {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chaos-{name}.svg"));
        std::fs::write(&path, self.svg()).expect("a picture");
        path
    }

    fn svg(&self) -> String {
        let mut svg = String::from(
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1000 420' \
             font-family='sans-serif' font-size='12'>\n<rect width='1000' height='420' fill='white'/>\n",
        );
        let end = self.samples.last().map_or(1.0, |sample| sample.at.as_secs_f64());
        let x = |at: Duration| 60.0 + 920.0 * at.as_secs_f64() / end;
        for pair in self.samples.windows(2).filter(|pair| pair[1].phase == Phase::Chaos) {
            let (from, to) = (x(pair[0].at), x(pair[1].at));
            let width = to - from;
            let _ = writeln!(
                svg,
                "<rect x='{from:.1}' y='20' width='{width:.2}' height='360' fill='#fde8e0'/>"
            );
        }
        let p99s = self
            .samples
            .iter()
            .filter_map(|sample| Some((x(sample.at), sample.p99?.as_secs_f64() * 1000.0)));
        panel(&mut svg, 20.0, "p99 of echoes, ms", "#b03020", &p99s.collect::<Vec<_>>());
        let resident =
            self.samples.iter().map(|it| (x(it.at), it.resident_len as f64 / 1_048_576.0));
        panel(&mut svg, 210.0, "resident, MiB", "#205090", &resident.collect::<Vec<_>>());
        let _ = writeln!(
            svg,
            "<text x='60' y='400'>0 to {end:.0} s; hostile clients where it is shaded</text>\n</svg>"
        );
        svg
    }
}

/// One line in a frame whose scale goes from 0 to its highest point.
fn panel(svg: &mut String, top: f64, title: &str, colour: &str, points: &[(f64, f64)]) {
    const HEIGHT: f64 = 165.0;
    let highest = points.iter().map(|&(_, value)| value).fold(f64::MIN_POSITIVE, f64::max);
    let line: String = points
        .iter()
        .map(|(x, value)| format!("{x:.1},{:.1} ", top + HEIGHT * (1.0 - value / highest)))
        .collect();
    let (bottom, above) = (top + HEIGHT, top + 12.0);
    let _ = writeln!(
        svg,
        "<path d='M60 {top}V{bottom}H980' fill='none' stroke='#888'/>\n\
         <text x='66' y='{above}'>{title}</text>\n\
         <text x='54' y='{above}' text-anchor='end'>{highest:.1}</text>\n\
         <text x='54' y='{bottom}' text-anchor='end'>0</text>\n\
         <polyline points='{line}' fill='none' stroke='{colour}' stroke-width='1.5'/>"
    );
}
