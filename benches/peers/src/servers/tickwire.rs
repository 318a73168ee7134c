//! The contestant.

use std::sync::{Mutex, OnceLock, PoisonError};

use tickwire::{
    Compression, CompressionMode, ConnectionId, Context, Handler, Limits, Message, Server,
    SocketOptions, Tls, Topic,
};

use super::listener::congestion;
use super::publications::Publications;
use super::{MAX_BACKPRESSURE, MAX_MESSAGE_LEN, tls};
use crate::Result;
use crate::entrant::Coding;
use crate::options::{Role, Serve};

/// Nobody has to share because so many are there already.
const MAX_DEDICATED: usize = 1 << 20;

pub(super) fn serve(options: &Serve, handler_threads: usize) -> Result<()> {
    let congestion = congestion(options).map(str::to_owned);
    let builder = Server::builder()
        .event_loops(1)
        .handler_threads(handler_threads)
        .limits(Limits::trusted().with_messages_up_to(MAX_MESSAGE_LEN))
        .max_backpressure(MAX_BACKPRESSURE)
        .compression(compression(options.coding))
        .socket_options(SocketOptions { congestion, ..SocketOptions::default() });
    let builder = match tls::config(options)? {
        Some(config) => builder.bind_tls("127.0.0.1:0", Tls::from_config(config)),
        None => builder.bind("127.0.0.1:0"),
    };
    let publications = Publications::of(options)?;
    let burst = options.burst;
    let server = match options.role {
        Role::Echo => builder.start(Echo)?,
        Role::Broadcast => {
            builder.start(Broadcast { everybody: OnceLock::new(), publications, burst })?
        }
        Role::Each => builder.start(Each { everybody: Mutex::default(), publications, burst })?,
    };
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
    Ok(server.join()?)
}

fn compression(coding: Coding) -> Compression {
    match coding {
        Coding::Plain | Coding::Tls => Compression::off(),
        Coding::Shared => Compression::shared(),
        Coding::Dedicated => {
            let mut compression = Compression::dedicated();
            if let CompressionMode::Dedicated(dedicated) = &mut compression.mode {
                dedicated.max_count = MAX_DEDICATED;
            }
            compression
        }
    }
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
    publications: Publications,
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
            self.everybody(ctx).publish(&self.publications.next()[..]);
        }
    }
}

/// What is published costs once what it costs here for each.
struct Each {
    everybody: Mutex<Vec<ConnectionId>>,
    publications: Publications,
    burst: usize,
}

impl Handler for Each {
    type State = ();

    fn open(&self, ctx: &mut Context<'_>, _: &mut ()) {
        self.everybody.lock().unwrap_or_else(PoisonError::into_inner).push(ctx.id());
    }

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), _: Message<'_>) {
        let everybody = self.everybody.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..self.burst {
            let publication = self.publications.next();
            for &id in &*everybody {
                ctx.server().send(id, &publication[..]);
            }
        }
    }
}
