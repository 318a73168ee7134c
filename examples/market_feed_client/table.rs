//! What is shown: a table of all symbols, a book beside it if one is wanted, or plain lines.

use std::time::Duration;

use crate::fixed;
use crate::message::{Level, Side, Ticker};
use crate::watch::{Row, Watch};

const UP: &str = "\x1b[32m";
const DOWN: &str = "\x1b[31m";
const FAINT: &str = "\x1b[2m";
const BOLD: &str = "\x1b[1m";
const ALARM: &str = "\x1b[1;31m";
const RESET: &str = "\x1b[0m";

/// The levels of each side of a book that are shown.
const DEPTH: usize = 10;
/// The longest bar beside a level, in columns.
const BAR_LEN: i64 = 16;

/// Heads and widths of the columns, the least important last: narrow terminals cut those off.
const COLUMNS: [(&str, usize); 10] = [
    ("SYMBOL", 10),
    ("LAST", 12),
    ("CHANGE", 8),
    ("BID", 12),
    ("ASK", 12),
    ("VOLUME", 14),
    ("TRADES/S", 9),
    ("UPDATES/S", 10),
    ("LATENCY", 9),
    ("BOOK", 9),
];

/// How to draw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Style {
    pub(crate) has_colour: bool,
    /// Rows and columns of the terminal.
    pub(crate) size: (usize, usize),
}

impl Style {
    fn paint(self, style: &str, text: &str) -> String {
        if self.has_colour { format!("{style}{text}{RESET}") } else { text.to_owned() }
    }
}

/// The lines of the whole screen, no more than fit.
pub(crate) fn screen(watch: &Watch, book: Option<&str>, status: &str, style: Style) -> Vec<String> {
    let (height, _) = style.size;
    let mut lines = vec![status_line(watch, status, style), proof_line(watch, style), heads(style)];
    let book = book.and_then(|name| {
        watch.rows.iter().find(|row| row.instrument.symbol.eq_ignore_ascii_case(name))
    });
    let book_lines = book.map_or(Vec::new(), |row| ladder(row, style));
    let room = height.saturating_sub(lines.len() + book_lines.len()).max(1);
    let is_cut = watch.rows.len() > room;
    let shown = if is_cut { room.saturating_sub(1) } else { watch.rows.len() };
    lines.extend(watch.rows.iter().take(shown).map(|row| table_row(row, style)));
    if is_cut {
        let rest = watch.rows.len() - shown;
        lines.push(style.paint(FAINT, &format!("{rest} more: make the window higher")));
    }
    lines.extend(book_lines);
    lines.truncate(height);
    lines
}

fn status_line(watch: &Watch, status: &str, style: Style) -> String {
    let totals = &watch.totals;
    let figures = format!(
        "{}  {:.0} messages/s  {:.1} kB/s  round trip {}",
        watch.source,
        totals.message_rate,
        totals.byte_rate / 1e3,
        watch.round_trip.map_or("-".to_owned(), milliseconds),
    );
    format!("{}  {}", style.paint(BOLD, status), style.paint(FAINT, &figures))
}

fn proof_line(watch: &Watch, style: Style) -> String {
    let totals = &watch.totals;
    let faults = format!("{} gaps, {} checksum errors", totals.gaps, totals.checksum_errors);
    let is_clean = totals.gaps + totals.checksum_errors == 0;
    let verified = format!("{} book messages verified, ", totals.verified);
    let faults = style.paint(if is_clean { FAINT } else { ALARM }, &faults);
    format!("{}{faults}{}", style.paint(FAINT, &verified), style.paint(FAINT, &left_out(watch)))
}

/// What the server left out because this client was slow or away; nothing, usually.
fn left_out(watch: &Watch) -> String {
    let totals = &watch.totals;
    let parts = [
        (totals.conflated, "tickers conflated"),
        (totals.resynced, "deltas replaced by snapshots"),
        (totals.missed, "trades missed"),
    ];
    let shown = parts.iter().filter(|(count, _)| *count > 0);
    shown.map(|(count, what)| format!(", {count} {what}")).collect()
}

fn heads(style: Style) -> String {
    let cells = COLUMNS.map(|(head, _)| (head.to_owned(), FAINT));
    join(cells, style)
}

fn table_row(row: &Row, style: Style) -> String {
    let trend = |number: i64| match number {
        0 => "",
        1.. => UP,
        _ => DOWN,
    };
    let name = (row.instrument.symbol.clone(), BOLD);
    let book = match row.book.seq() {
        Some(_) => ("verified".to_owned(), UP),
        None => ("waiting".to_owned(), FAINT),
    };
    let rates =
        [row.trades_per_second(), row.updates_per_second()].map(|rate| format!("{rate:.0}"));
    let latency = row.latency.map_or("-".to_owned(), milliseconds);
    let facts = match &row.ticker {
        None => ["-"; 5].map(|text| (text.to_owned(), FAINT)),
        Some(ticker) => {
            let [last, bid, ask, volume] = numbers(row, ticker);
            [
                (last, trend(row.direction)),
                (percent(ticker), trend(ticker.change())),
                (bid, ""),
                (ask, ""),
                (volume, ""),
            ]
        }
    };
    let [last, change, bid, ask, volume] = facts;
    let [trades, updates] = rates;
    let rest = [(trades, ""), (updates, ""), (latency, FAINT), book];
    let [trades, updates, latency, book] = rest;
    join([name, last, change, bid, ask, volume, trades, updates, latency, book], style)
}

/// The first cell is aligned left, the others right; those that do not fit are left out.
fn join(cells: [(String, &str); COLUMNS.len()], style: Style) -> String {
    let (_, mut room) = style.size;
    let mut line = String::new();
    for ((text, paint), (head, width)) in cells.iter().zip(COLUMNS) {
        if room < width + 1 {
            break;
        }
        room -= width + 1;
        let text = if head == COLUMNS[0].0 {
            format!("{text:<width$} ")
        } else {
            format!("{text:>width$} ")
        };
        line.push_str(&if paint.is_empty() { text } else { style.paint(paint, &text) });
    }
    line
}

/// A book: the best bids on the left, the best asks on the right.
fn ladder(row: &Row, style: Style) -> Vec<String> {
    let sides = [Side::Buy, Side::Sell]
        .map(|side| row.book.levels().levels(side).take(DEPTH).collect::<Vec<_>>());
    let largest = sides.iter().flatten().map(|level| level.quantity).max().unwrap_or(1).max(1);
    let bar = |level: &Level| {
        // As wide as the quantity; 128 bits, because both factors may be large.
        let len = i128::from(level.quantity) * i128::from(BAR_LEN) / i128::from(largest);
        "█".repeat(usize::try_from(len).unwrap_or(0))
    };
    let number = |value, decimals| {
        let mut text = String::new();
        fixed::push(&mut text, value, decimals);
        text
    };
    let instrument = &row.instrument;
    let state = row.book.seq().map_or("waiting".to_owned(), |seq| format!("verified #{seq}"));
    let title = format!("{} order book, {state}", instrument.symbol);
    let mut lines = vec![String::new(), style.paint(BOLD, &title)];
    for place in 0..DEPTH {
        let width = BAR_LEN as usize;
        let mut line = String::new();
        match sides[0].get(place) {
            None => line.push_str(&" ".repeat(width + 28)),
            Some(level) => {
                let price = number(level.price, instrument.price_decimals);
                let quantity = number(level.quantity, instrument.quantity_decimals);
                line.push_str(&style.paint(UP, &format!("{:>width$}", bar(level))));
                line.push_str(&format!(" {quantity:>13} "));
                line.push_str(&style.paint(UP, &format!("{price:>12} ")));
            }
        }
        if let Some(level) = sides[1].get(place) {
            let price = number(level.price, instrument.price_decimals);
            let quantity = number(level.quantity, instrument.quantity_decimals);
            line.push_str(&style.paint(DOWN, &format!(" {price:<12}")));
            line.push_str(&format!(" {quantity:<13} "));
            line.push_str(&style.paint(DOWN, &bar(level)));
        }
        lines.push(line);
    }
    lines
}

/// One line for each symbol that has a ticker, and one for the whole, to be read by programs too.
pub(crate) fn plain(watch: &Watch) -> Vec<String> {
    let mut lines = Vec::new();
    for row in &watch.rows {
        let Some(ticker) = &row.ticker else { continue };
        let [last, bid, ask, volume] = numbers(row, ticker);
        lines.push(format!(
            "{} last={last} change={} bid={bid} ask={ask} volume={volume} trades/s={:.0} \
             updates/s={:.0} latency={} book={}",
            row.instrument.symbol,
            percent(ticker),
            row.trades_per_second(),
            row.updates_per_second(),
            row.latency.map_or("-".to_owned(), milliseconds),
            row.book.seq().map_or("waiting".to_owned(), |seq| format!("verified#{seq}")),
        ));
    }
    let totals = &watch.totals;
    lines.push(format!(
        "total messages={} messages/s={:.0} verified={} gaps={} checksum_errors={} conflated={} \
         resynced={} missed={} round_trip={}",
        totals.messages,
        totals.message_rate,
        totals.verified,
        totals.gaps,
        totals.checksum_errors,
        totals.conflated,
        totals.resynced,
        totals.missed,
        watch.round_trip.map_or("-".to_owned(), milliseconds),
    ));
    lines
}

/// Last price, bid, ask and volume.
fn numbers(row: &Row, ticker: &Ticker) -> [String; 4] {
    let (price, quantity) = (row.instrument.price_decimals, row.instrument.quantity_decimals);
    [(ticker.last, price), (ticker.bid, price), (ticker.ask, price), (ticker.volume, quantity)].map(
        |(value, decimals)| {
            let mut text = String::new();
            fixed::push(&mut text, value, decimals);
            text
        },
    )
}

fn percent(ticker: &Ticker) -> String {
    let mut text = if ticker.change() > 0 { "+" } else { "" }.to_owned();
    fixed::push(&mut text, ticker.change(), 2);
    text + "%"
}

fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    if milliseconds < 10.0 {
        format!("{milliseconds:.2}ms")
    } else {
        format!("{milliseconds:.0}ms")
    }
}
