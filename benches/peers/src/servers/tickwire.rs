//! The contestant.

use std::sync::OnceLock;

use tickwire::{Context, Handler, Limits, Message, Server, SocketOptions, Topic};

use super::listener::congestion;
use super::{MAX_BACKPRESSURE, MAX_MESSAGE_LEN, PUBLICATION_LEN};
use crate::Result;
use crate::options::{Role, Serve};

pub(super) fn serve(options: &Serve, handler_threads: usize) -> Result<()> {
    let congestion = congestion(options).map(str::to_owned);
    let builder = Server::builder()
        .bind("127.0.0.1:0")
        .event_loops(1)
        .handler_threads(handler_threads)
        .limits(Limits::for_messages_up_to(MAX_MESSAGE_LEN))
        .max_backpressure(MAX_BACKPRESSURE)
        .socket_options(SocketOptions { congestion, ..SocketOptions::default() });
    let server = match options.role {
        Role::Echo => builder.start(Echo)?,
        Role::Broadcast => {
            builder.start(Broadcast { everybody: OnceLock::new(), burst: options.burst })?
        }
    };
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
    Ok(server.join()?)
}

struct Echo;

impl Handler for Echo {
    type State = ();

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        ctx.send(message);
    }
}

struct Broadcast {
    everybody: OnceLock<Topic>,
    burst: usize,
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

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), _: Message<'_>) {
        for _ in 0..self.burst {
            self.everybody(ctx).publish(&[b'x'; PUBLICATION_LEN][..]);
        }
    }
}
