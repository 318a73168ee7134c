//! Good clients beside hostile ones, on real sockets. The good ones must notice nothing: whatever
//! the others do, each echo and each publication comes once, in order and unharmed, and the server
//! holds no more than its limits allow and gets rid of all that it had for them. The limits are those of a
//! server on the internet, with sizes and times so narrow that attackers meet each of them.
//!
//! There are three processes, each this very program: the server; the hostile clients, who run
//! when nobody else wants to; and the test itself with the good clients. The server has a core of its own
//! where there are two.
//!
//! ```sh
//! CHAOS_SECONDS=2700 cargo test --release --all-features --test chaos
//! ```
//!
//! runs it for so long, two thirds of it under attack, and draws how long echoes took and what the server
//! held meanwhile; six seconds by default. How long echoes took is reported; it is judged only then, and
//! only if it is absurd, for it depends on what else the machine does. So is what those who come and go leave.

#[path = "../support/mod.rs"]
mod support;

mod attack;
mod churn;
mod cores;
mod good;
mod latency;
mod picture;
mod scene;
mod serve;
mod settings;
mod stage;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::cores::Cores;

/// What a process of the test is told to be.
#[derive(Debug, Parser)]
enum Role {
    /// The server.
    Serve(serve::Options),
    /// The hostile clients.
    Attack(attack::Options),
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|role| ["serve", "attack"].contains(&&*role)) {
        match Role::parse() {
            Role::Serve(options) => serve::run(&options),
            Role::Attack(options) => attack::run(&options),
        }
        return ExitCode::SUCCESS;
    }
    let cores = Cores::pick();
    // They measure: one at a time.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    // `cargo test` runs where other things run too.
    let seconds = std::env::var("CHAOS_SECONDS");
    let is_judged = seconds.is_ok();
    let seconds = seconds.map_or(6.0, |it| it.parse().expect("CHAOS_SECONDS is a number"));
    let share = |share| Duration::from_secs_f64(seconds * share);
    let (inline, threads, churn) = (share(0.45), share(0.45), share(0.1));
    let trials = vec![
        trial("hostile_clients_inline", move || stage::run(cores, 0, inline, is_judged)),
        trial("hostile_clients_on_handler_threads", move || {
            stage::run(cores, 2, threads, is_judged);
        }),
        trial("connections_come_and_go_by_the_thousand", move || {
            churn::run(cores, churn, is_judged);
        }),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &str, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, || {
        test();
        Ok::<(), Failed>(())
    })
}
