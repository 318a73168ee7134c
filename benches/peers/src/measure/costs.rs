//! What one message, delivery or handshake takes of the server, and the table of that.

use serde::Serialize;

use super::load_tool::LoadReport;
use super::series::Series;
use super::statistics::Spread;
use crate::entrant::Entrant;
use crate::report::{Cell, Chart, Section};

/// The client was the limit.
pub(crate) const CLIENT_WAS_LIMIT: char = '†';
/// The server was too slow for the pace.
pub(crate) const LATE: char = '‡';

/// One entrant in one row.
#[derive(Debug, Serialize)]
pub(crate) struct Cost {
    row: String,
    server: Entrant,
    pub(crate) per_s: Option<Spread>,
    /// Microseconds of the server's CPU time for one, which are seconds for a million.
    cpu_us: Option<Spread>,
    /// That beside another's, round by round.
    ratio: Option<Spread>,
    /// Bytes of a message that the server has sent.
    framed_len: Option<Spread>,
    /// What has to be said about `per_s`.
    pub(crate) mark: Option<char>,
    failure: Option<String>,
}

impl Cost {
    /// `base` is whom the ratio is to.
    pub(crate) fn new(
        series: &Series<LoadReport>,
        row: &str,
        server: Entrant,
        base: Entrant,
    ) -> Self {
        let all = series.of(server).count();
        let limited = series.of(server).filter(|report| report.client.was_limit).count();
        Self {
            row: row.to_owned(),
            server,
            per_s: series.spread(server, |report| report.messages_per_s),
            cpu_us: series.spread(server, LoadReport::cpu_us),
            ratio: series.ratio(server, base, LoadReport::cpu_us),
            framed_len: series.spread(server, LoadReport::framed_len),
            mark: (2 * limited > all).then_some(CLIENT_WAS_LIMIT),
            failure: series.failure(server).map(str::to_owned),
        }
    }
}

/// How a table speaks of what was measured.
pub(crate) struct Table<'a> {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) intro: &'a str,
    /// Heads of the columns for `per_s`, `cpu_us` and `ratio`.
    pub(crate) columns: [&'static str; 3],
    /// Whether there is a column for `framed_len`.
    pub(crate) tells_len: bool,
    /// The title of the picture, and what it shows.
    pub(crate) chart: (&'static str, fn(&Cost) -> Option<Spread>),
}

impl Cost {
    pub(crate) fn cpu(&self) -> Option<Spread> {
        self.cpu_us
    }

    pub(crate) fn ratio(&self) -> Option<Spread> {
        self.ratio
    }

    fn cells(&self) -> Vec<Cell> {
        let median = |spread: Option<Spread>| spread.map(|it| it.median);
        let rate = median(self.per_s).map_or(Cell::None, |rate| {
            let mark = self.mark.map(|mark| format!(" {mark}")).unwrap_or_default();
            Cell::text(format!("{}{mark}", Cell::count(rate)))
        });
        vec![
            rate,
            Cell::number(median(self.cpu_us), 3),
            Cell::number(median(self.ratio), 2),
            Cell::range(self.ratio.map(|it| (it.lower, it.upper)), 2),
        ]
    }
}

impl Table<'_> {
    pub(crate) fn of(self, entrants: &[Entrant], costs: &[Cost]) -> Section {
        let [rate, cpu, ratio] = self.columns;
        let mut columns = vec!["row", "server", rate, cpu, ratio, "quartiles"];
        if self.tells_len {
            columns.push("bytes sent each");
        }
        let mut section = Section::new(self.name, self.title, self.intro, &columns, costs);
        let (title, figure) = self.chart;
        let mut chart = Chart::bars(title, entrants);
        for cost in costs {
            let mut cells = cost.cells();
            if self.tells_len {
                cells.push(Cell::number(cost.framed_len.map(|it| it.median), 0));
            }
            section.add(&cost.row, cost.server, cost.failure.as_deref(), cells);
            if let Some(value) = figure(cost) {
                chart.add(&cost.row, cost.server, value);
            }
        }
        section.draw(chart)
    }
}
