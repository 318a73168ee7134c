//! Sends every message back: `cargo run --release --example echo -- --listen 127.0.0.1:9001`.

#[path = "support/mod.rs"]
mod support;

use clap::Parser;
use tickwire::{Context, Handler, Message};

struct Echo;

impl Handler for Echo {
    type State = ();

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        ctx.send(message);
    }
}

/// Sends every message back.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    server: support::ServerArgs,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let args = Args::parse();
    support::serve(args.server.builder(), Echo)
}
