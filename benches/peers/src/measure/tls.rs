//! Echo over TLS: what encryption adds, beside the same servers without it.

use super::Bench;
use super::costs::{Cost, Table};
use super::echo::{Row, costs, row};
use crate::Result;
use crate::entrant::{Coding, Entrant, coded};
use crate::report::Section;

const ROWS: [Row; 2] = [row(50, 125, 1), row(10, 16 << 10, 4)];

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let entrants = coded(&bench.peers, &[Coding::Plain, Coding::Tls]);
    let costs = costs(bench, "tls", &ROWS, &entrants, Entrant::plain);
    let table = Table {
        name: "tls",
        title: "TLS",
        intro: "Echo as above, over TLS 1.3 and without. All that speak TLS have the very same \
                configuration of rustls: provider, cipher suites, certificate. The ratio is to the \
                same server without TLS.",
        columns: ["messages/s", "CPU s per million", "÷ plain"],
        tells_len: false,
        chart: ("Server CPU seconds per million echoed messages", Cost::cpu),
    };
    Ok(table.of(&entrants, &costs))
}
