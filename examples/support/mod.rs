//! What the example servers share: their flags, and a clean end on Ctrl-C.

#[cfg(feature = "deflate")]
pub(crate) mod deflate;

#[cfg(any(feature = "tls", feature = "hand-over"))]
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use listenfd::ListenFd;
#[cfg(feature = "hand-over")]
use tickwire::HandOver;
use tickwire::proxy_protocol::IpPrefix;
use tickwire::transport::BindTarget;
use tickwire::{Builder, Handler, Limits, Server, TrustedProxies};

/// The longest message that the examples take, in bytes.
const MAX_MESSAGE_LEN: usize = 64 << 20;

/// Flags of every example server.
#[derive(Debug, Clone, Parser)]
pub(crate) struct ServerArgs {
    /// Where to listen: `127.0.0.1:9001`, `[::1]:0` (a free port), `unix:PATH`. May be repeated.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001")]
    pub(crate) listen: Vec<String>,
    /// Speak TLS at all of these addresses, with the certificate in this PEM file.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key.
    #[cfg(feature = "tls")]
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Take connections only from proxies at these addresses, such as `10.0.0.0/8`, which say by the
    /// PROXY protocol whom they relay. May be repeated.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) behind: Vec<IpPrefix>,
    /// Take the place of the server that runs with the same path, and give it up to the next.
    #[cfg(feature = "hand-over")]
    #[arg(long, value_name = "PATH")]
    pub(crate) hand_over: Option<PathBuf>,
    /// Seconds over which the clients are sent to the next server.
    #[cfg(feature = "hand-over")]
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0, requires = "hand_over")]
    pub(crate) hand_over_window: f64,
    /// Event-loop threads.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) event_loops: usize,
    /// Handler threads; 0 calls the handler on the event loops.
    #[arg(long, value_name = "M", default_value_t = 0)]
    pub(crate) handler_threads: usize,
    /// What clients may do. Examples are there to be measured, which takes more than strangers may.
    #[arg(long, value_name = "PRESET", default_value = "trusted")]
    pub(crate) limits: Preset,
    /// Seconds of a client's silence before it is sent a ping.
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub(crate) ping_interval: f64,
    /// Seconds of a client's silence before it is given up.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    pub(crate) idle_timeout: f64,
    /// Connections accepted in all.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub(crate) max_connections: usize,
    /// Compress messages for clients that offer permessage-deflate.
    #[cfg(feature = "deflate")]
    #[arg(long, value_name = "MODE", num_args = 0..=1, require_equals = false)]
    #[arg(default_value = "off", default_missing_value = "shared")]
    pub(crate) deflate: deflate::Deflate,
}

/// Limits for clients that are strangers, or that are not.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Preset {
    /// `Limits::internet()`
    Internet,
    /// `Limits::trusted()`
    Trusted,
}

impl From<Preset> for Limits {
    fn from(preset: Preset) -> Self {
        match preset {
            Preset::Internet => Self::internet(),
            Preset::Trusted => Self::trusted(),
        }
    }
}

impl ServerArgs {
    /// A builder with these settings.
    pub(crate) fn builder(&self) -> Builder {
        let mut limits = Limits::from(self.limits).with_messages_up_to(MAX_MESSAGE_LEN);
        limits.max_fragment_count = 1 << 22;
        let builder = Server::builder()
            .event_loops(self.event_loops)
            .handler_threads(self.handler_threads)
            .max_connections(self.max_connections)
            .ping_interval(Duration::from_secs_f64(self.ping_interval))
            .idle_timeout(Duration::from_secs_f64(self.idle_timeout))
            .limits(limits)
            .max_backpressure(2 * MAX_MESSAGE_LEN);
        #[cfg(feature = "deflate")]
        let builder = builder.compression(self.deflate.into());
        #[cfg(feature = "hand-over")]
        let builder = match &self.hand_over {
            Some(path) => builder.hand_over(
                HandOver::at(path).window(Duration::from_secs_f64(self.hand_over_window)),
            ),
            None => builder,
        };
        let builder = inherit(builder);
        self.listen.iter().fold(builder, |builder, address| self.bind(builder, address))
    }

    fn bind(&self, builder: Builder, address: &str) -> Builder {
        let mut target = BindTarget::from(address);
        if !self.behind.is_empty() {
            let none = TrustedProxies::default();
            target = target.behind(self.behind.iter().fold(none, |all, prefix| all.and(*prefix)));
        }
        #[cfg(feature = "tls")]
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            return builder.bind_tls(target, tickwire::Tls::from_files(certificate, key));
        }
        builder.bind(target)
    }
}

/// Takes the sockets with it that systemd has opened for this process, if it has.
fn inherit(mut builder: Builder) -> Builder {
    let mut sockets = ListenFd::from_env();
    for i in 0..sockets.len() {
        if let Ok(Some(socket)) = sockets.take_tcp_listener(i) {
            builder = builder.inherit(socket);
        } else if let Ok(Some(socket)) = sockets.take_unix_listener(i) {
            builder = builder.inherit(socket);
        }
    }
    builder
}

/// Starts a server, says where it listens, and runs it until SIGINT or SIGTERM.
pub(crate) fn serve(
    builder: Builder,
    handler: impl Handler,
) -> Result<(), Box<dyn std::error::Error>> {
    let server = builder.start(handler)?;
    end_on_signal(&server)?;
    announce(&server);
    Ok(server.join()?)
}

/// Shuts the server down on SIGINT or SIGTERM: connections get half a second to say goodbye.
pub(crate) fn end_on_signal(server: &Server) -> Result<(), ctrlc::Error> {
    let handle = server.handle();
    ctrlc::set_handler(move || handle.shutdown(Duration::from_millis(500)))
}

/// One line for each address, for people and for tests.
pub(crate) fn announce(server: &Server) {
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
}
