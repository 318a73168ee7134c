//! From settings to a running server.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::descriptors::warn_of_too_few;
#[cfg(feature = "hand-over")]
use super::hand_over::{HandOver, Predecessor, wait_for_successors};
use super::handler_thread::HandlerThread;
use super::inline::Inline;
use super::lane::{LaneSender, lane};
use super::lane_service::LaneService;
use super::places::{Places, Target};
use super::running::{Server, Threads};
#[cfg(feature = "hand-over")]
use super::succession::Succession;
use super::{Config, Error, Handler, Result, ServerHandle};
#[cfg(feature = "deflate")]
use crate::deflate::Compression;
use crate::event_loop::{Addresses, EventLoop, Limits, Loops, Seat, Service, Unstarted};
use crate::handshake::{AllowedOrigins, HeadLimits};
use crate::pubsub::SlowConsumer;
#[cfg(feature = "tls")]
use crate::transport::Tls;
use crate::transport::{BindTarget, Inherited, Listener, SocketOptions};
#[cfg(feature = "hand-over")]
use crate::transport::{MAX_DESCRIPTOR_COUNT, SocketFiles};

/// Settings of a server to be started. Every setting has a default: see [`Config`].
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    targets: Vec<Target>,
    config: Config,
    inherited: Vec<OwnedFd>,
    #[cfg(feature = "hand-over")]
    hand_over: Option<HandOver>,
}

impl Builder {
    /// Listens at a further address: `"127.0.0.1:9001"`, `"[::1]:0"`, `"localhost:80"`,
    /// `"unix:/run/feed.sock"`, or a socket that listens already. The file of a Unix-domain socket that is
    /// made for the server goes when it ends, unless a successor listens there.
    pub fn bind(mut self, target: impl Into<BindTarget>) -> Self {
        self.targets.push(target.into().into());
        self
    }

    /// Listens at a further address as [`bind`](Self::bind) does, with TLS: `wss://` and `https://`.
    ///
    /// ```no_run
    /// # use tickwire::{Context, Handler, Message, Server, Tls};
    /// # struct Echo;
    /// # impl Handler for Echo {
    /// #     type State = ();
    /// #     fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
    /// #         ctx.send(message);
    /// #     }
    /// # }
    /// # fn main() -> tickwire::Result<()> {
    /// let server = Server::builder()
    ///     .bind("127.0.0.1:9001")
    ///     .bind_tls("0.0.0.0:9443", Tls::from_files("server.pem", "server.key"))
    ///     .start(Echo)?;
    /// // Whenever the files have been renewed:
    /// server.handle().reload_tls()?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "tls")]
    pub fn bind_tls(mut self, target: impl Into<BindTarget>, tls: Tls) -> Self {
        self.targets.push(Target { place: target.into(), tls: Some(tls) });
        self
    }

    /// Takes a listening socket with it that the process was started with, such as by systemd
    /// (`LISTEN_FDS`): whatever is to be [bound](Self::bind) to its address uses it. One that is bound
    /// to nowhere here is closed. Its file stays, if it has one: whoever has made it keeps it for the next
    /// process. (A successor that gets the socket by a hand-over, and not from there as well, takes the file
    /// for its own.)
    ///
    /// ```no_run
    /// # use tickwire::{Builder, Server};
    /// fn builder() -> std::io::Result<Builder> {
    ///     let mut sockets = listenfd::ListenFd::from_env();
    ///     let mut builder = Server::builder().bind("0.0.0.0:9001");
    ///     for i in 0..sockets.len() {
    ///         if let Some(socket) = sockets.take_tcp_listener(i)? {
    ///             builder = builder.inherit(socket);
    ///         }
    ///     }
    ///     Ok(builder)
    /// }
    /// ```
    pub fn inherit(mut self, socket: impl Into<OwnedFd>) -> Self {
        self.inherited.push(socket.into());
        self
    }

    /// Succeeds the server that runs already with the same path, and is succeeded by the next: for a
    /// new version, a new configuration.
    ///
    /// A server that is started so asks at the path whether there is one. If so, it gets its listening
    /// sockets, takes those that it [binds](Self::bind) itself, and once it accepts connections the
    /// other stops to, closes its own with 1001 bit by bit, and ends: its
    /// [`join`](super::Server::join) returns. Connections that come meanwhile are accepted by one of
    /// the two, for the sockets and what waits in them are the same. What is open stays in its process
    /// to its end.
    ///
    /// If the successor fails to start, or is killed before it accepts connections, or takes longer than
    /// [the other's patience](HandOver::patience), the server goes on as if nobody had come, and waits for
    /// the next. A successor that is too late does not start. It may be killed itself at any time: then its
    /// connections are lost, and the sockets go on with the successor.
    ///
    /// From when the successor accepts connections, the sockets are its alone. If it is killed then, they
    /// are gone with it and what waited in them: new connections are refused until a server is started,
    /// which finds nobody to succeed and listens anew. The server that was succeeded takes nothing back:
    /// it sends its clients away as planned, and they lose nothing.
    #[cfg(feature = "hand-over")]
    pub fn hand_over(mut self, hand_over: HandOver) -> Self {
        self.hand_over = Some(hand_over);
        self
    }

    /// Event-loop threads. See [`Config::event_loops`].
    pub fn event_loops(mut self, count: usize) -> Self {
        self.config.event_loops = count;
        self
    }

    /// Handler threads; 0 is inline mode. See [`Config::handler_threads`].
    pub fn handler_threads(mut self, count: usize) -> Self {
        self.config.handler_threads = count;
        self
    }

    /// Connections of the whole server. See [`Config::max_connections`].
    pub fn max_connections(mut self, count: usize) -> Self {
        self.config.max_connections = count;
        self
    }

    /// Accepts handshakes of these sites' scripts alone. See [`Config::allowed_origins`].
    ///
    /// ```
    /// use tickwire::{AllowedOrigins, NoOrigin, Server};
    ///
    /// let origins = AllowedOrigins::new(["https://example.com", "https://*.example.com"], NoOrigin::Refused);
    /// let builder = Server::builder().bind("127.0.0.1:0").allowed_origins(origins);
    /// ```
    pub fn allowed_origins(mut self, origins: AllowedOrigins) -> Self {
        self.config.allowed_origins = Some(origins);
        self
    }

    /// What clients may do: [`Limits::internet`], [`Limits::trusted`], or limits of one's own. See
    /// [`Config::limits`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Compression of messages. See [`Config::compression`].
    #[cfg(feature = "deflate")]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.config.compression = compression;
        self
    }

    /// Limits of request heads. See [`Config::head_limits`].
    pub fn head_limits(mut self, limits: HeadLimits) -> Self {
        self.config.head_limits = limits;
        self
    }

    /// Silence after which a ping is sent; `None`: never. See [`Config::keep_alive`].
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.config.keep_alive.ping_interval = interval.into();
        self
    }

    /// Silence after which a connection is given up; `None`: never. See [`Config::keep_alive`].
    pub fn idle_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.config.keep_alive.idle_timeout = timeout.into();
        self
    }

    /// Time for a client's request. See [`Config::handshake_timeout`].
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.config.handshake_timeout = timeout;
        self
    }

    /// Time for the peer to close. See [`Config::close_timeout`].
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.config.close_timeout = timeout;
        self
    }

    /// What happens to subscribers that do not take their publications. See
    /// [`Config::slow_consumer`].
    pub fn slow_consumer(mut self, steps: SlowConsumer) -> Self {
        self.config.slow_consumer = steps;
        self
    }

    /// Bytes that may wait for one connection. See [`Config::max_backpressure`].
    pub fn max_backpressure(mut self, len: usize) -> Self {
        self.config.max_backpressure = len;
        self
    }

    /// Bytes that may wait for one handler thread. See [`Config::max_lane_len`].
    pub fn max_lane_len(mut self, len: usize) -> Self {
        self.config.max_lane_len = len;
        self
    }

    /// Options of the sockets. See [`Config::socket_options`].
    pub fn socket_options(mut self, options: SocketOptions) -> Self {
        self.config.socket_options = options;
        self
    }

    /// All settings at once, for what has no method of its own here.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Starts the threads. The server accepts connections when this returns.
    ///
    /// # Errors
    ///
    /// A setting that cannot work, named; an address that cannot be listened on; a file of TLS that
    /// cannot be used; a system that is out of descriptors or threads.
    pub fn start<H: Handler>(self, handler: H) -> Result<Server> {
        let Self {
            targets,
            config,
            inherited,
            #[cfg(feature = "hand-over")]
            hand_over,
        } = self;
        config.check()?;
        let inherited = inherit(inherited)?;
        // The predecessor's patience should not go to what can fail, or take long, without it.
        let targets = targets.into_iter().map(Target::prepare).collect::<Result<Vec<_>>>()?;
        #[cfg(feature = "hand-over")]
        let (predecessor, inherited) = find_predecessor(hand_over.as_ref(), inherited)?;
        #[cfg(feature = "hand-over")]
        let files = inherited.files().clone();
        let (places, listeners) = Places::bind(targets, &config.socket_options, inherited)?;
        let unstarted = set_up_loops(&config, listeners)?;
        warn_of_too_few(config.max_connections);
        let loops: Loops = unstarted.iter().map(|unstarted| unstarted.link.clone()).collect();
        let handle = ServerHandle::new(loops.clone(), places, &config);
        #[cfg(feature = "hand-over")]
        let succession = hand_over
            .map(|hand_over| expect_successor(hand_over, predecessor.as_ref(), &handle, &files))
            .transpose()?;
        let handler = Arc::new(handler);
        let mut threads = Threads::new(handle.clone());
        let lanes = start_handler_threads(&config, &handler, &handle, &loops, &mut threads)?;
        for (index, unstarted) in unstarted.into_iter().enumerate() {
            let (loops, topics) = (loops.clone(), handle.topics().clone());
            let seat = Seat { unstarted, loops, topics, config: config.for_loop() };
            if lanes.is_empty() {
                let service = Inline::new(handler.clone(), handle.clone());
                start_loop(index, seat, service, 0, &mut threads)?;
            } else {
                let service = LaneService::new(index, lanes.clone());
                start_loop(index, seat, service, lanes.len(), &mut threads)?;
            }
        }
        #[cfg(feature = "hand-over")]
        if let Some(succession) = succession {
            threads.spawn("tickwire-hand-over".to_owned(), move || succession.run())?;
        }
        #[cfg(feature = "hand-over")]
        if let Some(predecessor) = predecessor {
            predecessor.relieve()?;
            files.claim();
        }
        Ok(threads.into_server())
    }
}

fn inherit(sockets: Vec<OwnedFd>) -> Result<Inherited> {
    let mut inherited = Inherited::default();
    for socket in sockets {
        let added = inherited.add(socket);
        added.map_err(|error| Error::bind("an inherited socket".into(), error))?;
    }
    Ok(inherited)
}

/// The server that is to be succeeded, if there is one, and its sockets with those that are there.
#[cfg(feature = "hand-over")]
fn find_predecessor(
    hand_over: Option<&HandOver>,
    mut inherited: Inherited,
) -> Result<(Option<Predecessor>, Inherited)> {
    let find = |hand_over: &HandOver| Predecessor::find(&hand_over.path, &mut inherited);
    let predecessor = hand_over.map(find).transpose()?.flatten();
    Ok((predecessor, inherited))
}

/// What will wait for this server's own successor, where the predecessor did or at a new place.
#[cfg(feature = "hand-over")]
fn expect_successor(
    hand_over: HandOver,
    predecessor: Option<&Predecessor>,
    handle: &ServerHandle,
    files: &SocketFiles,
) -> Result<Succession> {
    // One more is where successors come to.
    if handle.local_addrs().len() >= MAX_DESCRIPTOR_COUNT {
        let most = MAX_DESCRIPTOR_COUNT - 1;
        let message = format!("no more than {most} listeners can be handed over: bind fewer");
        return Err(Error::config("hand_over", message));
    }
    let listener = match predecessor {
        Some(predecessor) => predecessor.listener.try_clone(),
        None => Ok(wait_for_successors(&hand_over.path)?),
    };
    let path = hand_over.path.clone();
    let succession = listener
        .and_then(|listener| Succession::new(hand_over, handle.clone(), listener, files.clone()));
    let succession = succession.map_err(|error| Error::hand_over(&path, error))?;
    handle.expect_successor(succession.call_off());
    Ok(succession)
}

fn set_up_loops(config: &Config, listeners: Vec<Listener>) -> Result<Vec<Unstarted>> {
    let limits = &config.limits;
    let addresses = Addresses::new(limits.max_connections_per_address, limits.counts_loopback);
    let addresses = Arc::new(addresses);
    let mut loops = (0..config.event_loops)
        .map(|index| Unstarted::new(index as u16, config.max_connections, &addresses))
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(|error| Error::system("cannot set up an event loop", error))?;
    // The first loop accepts for all.
    let watched = loops[0].listen(listeners);
    watched.map_err(|error| Error::system("cannot watch the listeners", error))?;
    Ok(loops)
}

fn start_handler_threads<H: Handler>(
    config: &Config,
    handler: &Arc<H>,
    handle: &ServerHandle,
    loops: &Loops,
    threads: &mut Threads,
) -> Result<Vec<LaneSender>> {
    let mut senders = Vec::new();
    for index in 0..config.handler_threads {
        let (sender, receiver) = lane(index, config.event_loops, config.max_lane_len);
        let thread = HandlerThread::new(
            handler.clone(),
            handle.clone(),
            receiver,
            loops.clone(),
            config.max_backpressure,
        );
        threads.spawn(format!("tickwire-handler-{index}"), move || thread.run())?;
        senders.push(sender);
    }
    Ok(senders)
}

/// Starts a loop's thread. What belongs to it alone is made on it; what can fail has been done.
fn start_loop<S: Service + Send + 'static>(
    index: usize,
    seat: Seat,
    service: S,
    lane_count: usize,
    threads: &mut Threads,
) -> Result<()> {
    threads.spawn(format!("tickwire-loop-{index}"), move || {
        EventLoop::new(seat, service, lane_count).run();
    })
}
