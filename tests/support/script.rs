//! A handler made of closures.

use tickwire::{Closed, Context, Handler, Message, Refusal, Request, Response, Upgrade};

type OnUpgrade = dyn Fn(&Request) -> Result<Upgrade<()>, Refusal> + Send + Sync;
type OnEvent = dyn Fn(&mut Context<'_>) + Send + Sync;
type OnMessage = dyn Fn(&mut Context<'_>, Message<'_>) + Send + Sync;
type OnClose = dyn Fn(&mut Context<'_>, &Closed) + Send + Sync;
type OnHttp = dyn Fn(&Request) -> Response + Send + Sync;

/// Does nothing but what a test tells it to.
#[derive(Default)]
pub(crate) struct Script {
    upgrade: Option<Box<OnUpgrade>>,
    open: Option<Box<OnEvent>>,
    message: Option<Box<OnMessage>>,
    slow: Option<Box<OnEvent>>,
    drain: Option<Box<OnEvent>>,
    close: Option<Box<OnClose>>,
    http: Option<Box<OnHttp>>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Sends every message back.
    pub(crate) fn echo() -> Self {
        Self::new().on_message(|ctx, message| {
            ctx.send(message);
        })
    }

    pub(crate) fn on_upgrade(
        mut self,
        call: impl Fn(&Request) -> Result<Upgrade<()>, Refusal> + Send + Sync + 'static,
    ) -> Self {
        self.upgrade = Some(Box::new(call));
        self
    }

    pub(crate) fn on_open(
        mut self,
        call: impl Fn(&mut Context<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.open = Some(Box::new(call));
        self
    }

    pub(crate) fn on_message(
        mut self,
        call: impl Fn(&mut Context<'_>, Message<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.message = Some(Box::new(call));
        self
    }

    /// As [`on_message`](Self::on_message), for text alone.
    pub(crate) fn on_text(
        self,
        call: impl Fn(&mut Context<'_>, &str) + Send + Sync + 'static,
    ) -> Self {
        self.on_message(move |ctx, message| call(ctx, message.as_text().expect("text")))
    }

    pub(crate) fn on_slow(
        mut self,
        call: impl Fn(&mut Context<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.slow = Some(Box::new(call));
        self
    }

    pub(crate) fn on_drain(
        mut self,
        call: impl Fn(&mut Context<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.drain = Some(Box::new(call));
        self
    }

    pub(crate) fn on_close(
        mut self,
        call: impl Fn(&mut Context<'_>, &Closed) + Send + Sync + 'static,
    ) -> Self {
        self.close = Some(Box::new(call));
        self
    }

    pub(crate) fn on_http(
        mut self,
        call: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        self.http = Some(Box::new(call));
        self
    }
}

impl Handler for Script {
    type State = ();

    fn upgrade(&self, request: &Request) -> Result<Upgrade<()>, Refusal> {
        self.upgrade.as_ref().map_or_else(|| Ok(Upgrade::new(())), |call| call(request))
    }

    fn open(&self, ctx: &mut Context<'_>, (): &mut ()) {
        if let Some(call) = &self.open {
            call(ctx);
        }
    }

    fn message(&self, ctx: &mut Context<'_>, (): &mut (), message: Message<'_>) {
        if let Some(call) = &self.message {
            call(ctx, message);
        }
    }

    fn slow(&self, ctx: &mut Context<'_>, (): &mut ()) {
        if let Some(call) = &self.slow {
            call(ctx);
        }
    }

    fn drain(&self, ctx: &mut Context<'_>, (): &mut ()) {
        if let Some(call) = &self.drain {
            call(ctx);
        }
    }

    fn close(&self, ctx: &mut Context<'_>, (): &mut (), closed: &Closed) {
        if let Some(call) = &self.close {
            call(ctx, closed);
        }
    }

    fn http(&self, request: &Request) -> Response {
        self.http.as_ref().map_or_else(
            || Response::new(http::StatusCode::NOT_FOUND).body("text/plain", "not here\n"),
            |call| call(request),
        )
    }
}
