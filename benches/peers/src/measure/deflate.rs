//! Compression: what it takes of the server to inflate and to deflate, and what to do that once for
//! many.

use std::time::Duration;

use super::Bench;
use super::costs::{Cost, Table};
use super::echo::{self, row};
use super::fan_out::{self, SUBSCRIBERS};
use super::running::Job;
use crate::Result;
use crate::entrant::{Coding, Entrant, coded};
use crate::options::Role;
use crate::peer::Peer;
use crate::report::Section;

const CODINGS: [Coding; 3] = [Coding::Plain, Coding::Shared, Coding::Dedicated];

const ECHO: echo::Row = row(50, 1 << 10, 1);

/// Slow enough for who compresses for each subscriber.
const INTERVAL: Duration = Duration::from_millis(50);
const PUBLISHED: fan_out::Row = market_data("published", Role::Broadcast);
const SENT: fan_out::Row = market_data("sent to each", Role::Each);

const fn market_data(name: &'static str, role: Role) -> fan_out::Row {
    let job = Job { role, is_market_data: true, ..Job::ECHO };
    fan_out::Row { name, job, interval: INTERVAL }
}

pub(crate) fn run(bench: &Bench<'_>) -> Result<Section> {
    let entrants = coded(&bench.peers, &CODINGS);
    let costs = echo::costs(bench, "deflate", &[ECHO], &entrants, Entrant::plain);
    let table = Table {
        name: "deflate",
        title: "Compression",
        intro: "Echo of 1 KiB of an exchange's book updates (JSON), compressed in both directions \
                (permessage-deflate). `shared` compresses each message by itself, `dedicated` refers \
                to those before it. Each server has the level that is its default: mind the bytes. \
                The ratio is to the same server without compression.",
        columns: ["messages/s", "CPU s per million", "÷ plain"],
        tells_len: true,
        chart: ("Server CPU seconds per million echoed messages", Cost::cpu),
    };
    Ok(table.of(&entrants, &costs))
}

pub(crate) fn run_fan_out(bench: &Bench<'_>) -> Result<Section> {
    let entrants = coded(&bench.peers, &CODINGS);
    let mut costs = Vec::new();
    for row in [&PUBLISHED, &SENT] {
        // Only here it makes a difference.
        let takes_part =
            |it: &Entrant| row.job.role == Role::Broadcast || it.peer == Peer::Tickwire;
        let entrants: Vec<_> = entrants.iter().copied().filter(takes_part).collect();
        if row.name.contains(&bench.settings.row) {
            costs.extend(fan_out::costs(bench, "deflate", row, &entrants, Entrant::plain));
        }
    }
    let intro = format!(
        "1 KiB of book updates to {SUBSCRIBERS} subscribers every {} ms: published to all of them, \
         and for comparison sent to one after the other. The ratio is to the same server without \
         compression. ‡ did not keep the pace.",
        INTERVAL.as_millis()
    );
    let table = Table {
        name: "deflate-fan-out",
        title: "Compressed fan-out",
        intro: &intro,
        columns: ["deliveries/s", "CPU s per million", "÷ plain"],
        tells_len: true,
        chart: ("Server CPU seconds per million deliveries", Cost::cpu),
    };
    Ok(table.of(&entrants, &costs))
}
