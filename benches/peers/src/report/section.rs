//! One kind of measurement: a table, a picture, and the data behind both.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::Chart;

pub(crate) struct Section {
    /// Of files and JSON fields.
    pub(crate) name: &'static str,
    title: &'static str,
    intro: String,
    columns: Vec<&'static str>,
    rows: Vec<Vec<String>>,
    charts: Vec<Chart>,
    pub(crate) data: Value,
}

impl Section {
    pub(crate) fn new(
        name: &'static str,
        title: &'static str,
        intro: &str,
        columns: &[&'static str],
        outcomes: &(impl Serialize + ?Sized),
    ) -> Self {
        Self {
            name,
            title,
            intro: intro.to_owned(),
            columns: columns.to_vec(),
            rows: Vec::new(),
            charts: Vec::new(),
            data: serde_json::to_value(outcomes).expect("plain data"),
        }
    }

    /// Appends a line for a server. Of one that has failed, the table says why.
    pub(crate) fn add(
        &mut self,
        row: &str,
        server: impl fmt::Display,
        failure: Option<&str>,
        cells: impl IntoIterator<Item = Cell>,
    ) {
        // A row's name stands before its first server.
        let is_named = self.rows.iter().rev().map(|line| &*line[0]).find(|name| !name.is_empty());
        let name = if is_named == Some(row) { "" } else { row };
        let mut line = vec![name.to_owned(), server.to_string()];
        match failure {
            Some(reason) => {
                let reason = reason.lines().next().unwrap_or_default().replace('|', "/");
                line.push(format!("failed: {reason}"));
            }
            None => line.extend(cells.into_iter().map(Cell::into_string)),
        }
        line.resize(self.columns.len(), String::new());
        self.rows.push(line);
    }

    pub(crate) fn draw(mut self, chart: Chart) -> Self {
        self.charts.push(chart);
        self
    }

    /// File names and contents.
    pub(crate) fn pictures(&self) -> impl Iterator<Item = (String, String)> {
        let file = |at| match at {
            0 => format!("{}.svg", self.name),
            _ => format!("{}-{}.svg", self.name, at + 1),
        };
        self.charts.iter().enumerate().map(move |(at, chart)| (file(at), chart.to_svg()))
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.intro)?;
        writeln!(f, "| {} |", self.columns.join(" | "))?;
        let align = |at| if at < 2 { "---" } else { "--:" };
        let aligns: Vec<_> = (0..self.columns.len()).map(align).collect();
        writeln!(f, "| {} |", aligns.join(" | "))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}

/// What stands in a column.
pub(crate) enum Cell {
    None,
    Text(String),
}

impl Cell {
    pub(crate) fn text(text: String) -> Self {
        Self::Text(text)
    }

    pub(crate) fn number(value: Option<f64>, decimals: usize) -> Self {
        value.map_or(Self::None, |value| Self::Text(format!("{value:.decimals$}")))
    }

    pub(crate) fn range(ends: Option<(f64, f64)>, decimals: usize) -> Self {
        ends.map_or(Self::None, |(from, to)| {
            Self::Text(format!("{from:.decimals$}–{to:.decimals$}"))
        })
    }

    /// `1,234,567`
    pub(crate) fn count(value: f64) -> String {
        let digits = format!("{value:.0}");
        let mut text = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        text
    }

    fn into_string(self) -> String {
        match self {
            Self::None => "–".to_owned(),
            Self::Text(text) => text,
        }
    }
}
