//! Every message goes to all connections, the sender's too, as one publication.

#[path = "support/mod.rs"]
mod support;

use std::sync::OnceLock;

use clap::Parser;
use tickwire::{Context, Handler, Message, Topic};

/// The one topic; held here so that it outlives moments without subscribers.
#[derive(Default)]
struct Broadcast {
    everybody: OnceLock<Topic>,
}

impl Broadcast {
    fn everybody(&self, ctx: &Context<'_>) -> &Topic {
        self.everybody.get_or_init(|| ctx.server().topic("everybody"))
    }
}

impl Handler for Broadcast {
    type State = ();

    fn open(&self, ctx: &mut Context<'_>, _: &mut ()) {
        let topic = self.everybody(ctx).clone();
        ctx.subscribe(&topic);
    }

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        self.everybody(ctx).publish(message);
    }
}

/// Every message goes to all connections, the sender's too, as one publication.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    server: support::ServerArgs,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let args = Args::parse();
    support::serve(args.server.builder(), Broadcast::default())
}
