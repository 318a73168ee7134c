//! From request heads to open connections, or to HTTP responses.

use http::{HeaderMap, Method, StatusCode};

use super::EventLoop;
use super::command::Decision;
use super::connection::{Connection, Deciding, Open, Phase, ResponseRules, Session};
use super::deadlines::head_end;
use super::flags::Flags;
use super::outlet::Outlet;
use super::service::{Answer, Service};
use crate::handshake::{
    HandshakeError, Request, Response, UpgradeRequest, encode_switching_protocols, validate_upgrade,
};

impl<S: Service> EventLoop<S> {
    /// Looks for a request head in `input`; returns how many bytes it took.
    pub(super) fn consume_head(&mut self, key: u32, input: &[u8]) -> usize {
        let Some(connection) = self.connections.get_mut(key as usize) else { return 0 };
        let Phase::Request(arriving) = &mut connection.phase else { return 0 };
        let rules = ResponseRules {
            head_request: false,
            version: http::Version::HTTP_11,
            keep_alive: false,
        };
        match arriving.decoder.decode(input, &self.core.config.head_limits) {
            Ok(None) => {
                let began = *arriving.began.get_or_insert(self.core.now);
                if let Some(end) = head_end(&self.core.config.limits, began, input.len()) {
                    connection.io.look_at(&mut self.core, end);
                }
                0
            }
            Ok(Some((mut request, used))) => {
                arriving.began = None;
                request.set_peer_addr(arriving.peer.into());
                #[cfg(feature = "tls")]
                connection.io.tell_tls(&mut self.core.counters, &mut request);
                self.take_request(key, request);
                used
            }
            Err(error) => {
                self.refuse(key, rules, &error);
                input.len()
            }
        }
    }

    fn take_request(&mut self, key: u32, request: Request) {
        let mut rules = ResponseRules {
            head_request: request.method() == Method::HEAD,
            version: request.version(),
            keep_alive: request.keep_alive(),
        };
        let upgrade = if request.is_upgrade() {
            match validate_upgrade(&request) {
                Ok(upgrade) if self.allows_origin(&request) => Some(upgrade),
                Ok(_) => return self.refuse_origin(key, rules),
                Err(error) => return self.refuse(key, rules, &error),
            }
        } else {
            None
        };
        if request.has_body() {
            // No request that is served here has one; to skip it would be to trust its length.
            rules.keep_alive = false;
            let response = Response::new(StatusCode::PAYLOAD_TOO_LARGE)
                .body("text/plain; charset=utf-8", "requests with content are not served here\n");
            return self.respond(key, rules, &response);
        }
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let id = connection.io.id;
        connection.io.count_request(&mut self.core);
        match self.service.request(id, request, upgrade.is_some()) {
            Answer::Now(decision, state) => self.decide(key, decision, upgrade, rules, state),
            Answer::Later(state) => {
                let phase = std::mem::replace(&mut connection.phase, Phase::Lingering);
                if let Phase::Request(arriving) = phase {
                    let deciding = Deciding { state, arriving, upgrade, response: rules };
                    connection.phase = Phase::Deciding(Box::new(deciding));
                    // The decision has as much time as the request had.
                    connection.io.since = self.core.now;
                }
            }
            Answer::Overloaded => {
                self.core.counters.requests_shed += 1;
                rules.keep_alive = false;
                self.respond(key, rules, &overloaded());
            }
        }
    }

    /// A handler thread has decided.
    pub(super) fn decide_later(&mut self, key: u32, decision: Decision) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let phase = std::mem::replace(&mut connection.phase, Phase::Lingering);
        let Phase::Deciding(deciding) = phase else {
            connection.phase = phase;
            return;
        };
        let Deciding { state, arriving, upgrade, response } = *deciding;
        connection.phase = Phase::Request(arriving);
        self.decide(key, decision, upgrade, response, Some(state));
        // Nothing was read meanwhile, and bytes may be carried over.
        self.finish_turn(key);
        self.list(key);
    }

    fn decide(
        &mut self,
        key: u32,
        decision: Decision,
        upgrade: Option<UpgradeRequest>,
        rules: ResponseRules,
        state: Option<S::State>,
    ) {
        match (decision, upgrade, state) {
            (Decision::Upgrade { subprotocol, headers }, Some(upgrade), Some(state)) => {
                self.open(key, &upgrade, subprotocol.as_deref(), &headers, state);
            }
            (Decision::Respond(response), upgrade, _) => {
                let keep_alive = rules.keep_alive && upgrade.is_none();
                self.respond(key, ResponseRules { keep_alive, ..rules }, &response);
            }
            // Only a valid upgrade request is ever answered with an upgrade.
            (Decision::Upgrade { .. }, ..) => self.remove(key, "not an upgrade request"),
        }
    }

    /// No handler thread has decided in time: who asked is told so, and the decision will find nobody.
    pub(super) fn give_decision_up(&mut self, key: u32) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        if let Phase::Deciding(deciding) = &connection.phase {
            self.core.counters.requests_shed += 1;
            let ResponseRules { head_request, version, .. } = deciding.response;
            let mut bytes = Vec::new();
            overloaded().encode(head_request, version, false, &mut bytes);
            self.core.counters.http_responses += 1;
            connection.io.send_opaque(&mut self.core, bytes);
        }
        self.remove(key, "the handler took too long to decide");
    }

    fn open(
        &mut self,
        key: u32,
        upgrade: &UpgradeRequest,
        subprotocol: Option<&str>,
        headers: &HeaderMap,
        state: S::State,
    ) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let mut head = Vec::with_capacity(256);
        let core = &mut self.core;
        connection.io.ends_at = core.lifetimes.end(&core.config.limits, core.now);
        let (extensions, endpoint) = core.negotiate(upgrade.extensions());
        let accept = upgrade.accept();
        encode_switching_protocols(&accept, subprotocol, extensions.as_deref(), headers, &mut head);
        connection.io.send_opaque(core, head);
        connection.io.since = core.now;
        connection.io.flags.remove(Flags::SERVED);
        connection.io.flags.insert_if(Flags::DEFLATES, extensions.is_some());
        core.counters.upgraded += 1;
        connection.phase =
            Phase::Open(Open { state, session: Session { endpoint, ..Session::default() } });
        let Connection { io, phase: Phase::Open(open) } = connection else { return };
        let Open { state, session } = open;
        self.service.open(&mut Outlet { io, session, core }, state);
        io.uncork(core);
        if self.deadline.is_some() {
            self.close_for_shutdown(key);
        }
        self.schedule(key);
    }

    fn allows_origin(&self, request: &Request) -> bool {
        let allowed = self.core.config.allowed_origins.as_ref();
        allowed.is_none_or(|allowed| allowed.allow_headers(request.headers()))
    }

    fn refuse_origin(&mut self, key: u32, rules: ResponseRules) {
        self.core.counters.origins_refused += 1;
        let response = Response::new(StatusCode::FORBIDDEN)
            .body("text/plain; charset=utf-8", "this origin is not allowed\n");
        self.respond(key, ResponseRules { keep_alive: false, ..rules }, &response);
    }

    fn refuse(&mut self, key: u32, rules: ResponseRules, error: &HandshakeError) {
        log::debug!("a request is refused: {error}");
        self.core.counters.protocol_errors += 1;
        if let HandshakeError::TargetTooLong
        | HandshakeError::HeadTooLarge
        | HandshakeError::TooManyHeaders = error
        {
            self.core.counters.heads_too_long += 1;
        }
        let rules = ResponseRules { keep_alive: false, ..rules };
        self.respond(key, rules, &error.to_response());
    }

    /// Refuses before there is a request, or whatever that is.
    pub(super) fn refuse_with(&mut self, key: u32, status: StatusCode) {
        let rules = ResponseRules {
            head_request: false,
            version: http::Version::HTTP_11,
            keep_alive: false,
        };
        self.respond(key, rules, &Response::new(status));
        self.finish_turn(key);
    }

    fn respond(&mut self, key: u32, rules: ResponseRules, response: &Response) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        // A handler thread may have decided so long that the server is ending.
        let is_ending = self.deadline.is_some() || self.withdrawing.is_some();
        let end = connection.io.ends_at.tick();
        let is_old = end.is_some_and(|end| self.core.now.is_at_or_after(end));
        self.core.counters.lifetimes_ended += u64::from(rules.keep_alive && is_old);
        let keep_alive = rules.keep_alive && !is_ending && !is_old;
        let mut bytes = Vec::with_capacity(256 + response.content().len());
        response.encode(rules.head_request, rules.version, keep_alive, &mut bytes);
        self.core.counters.http_responses += 1;
        connection.io.send_opaque(&mut self.core, bytes);
        connection.io.since = self.core.now;
        connection.io.flags.insert(Flags::SERVED);
        if !keep_alive {
            connection.phase = Phase::Lingering;
        }
        self.schedule(key);
    }
}

/// Handler threads have more to do than they get done.
fn overloaded() -> Response {
    let retry_after = http::HeaderValue::from_static("5");
    Response::new(StatusCode::SERVICE_UNAVAILABLE)
        .header(http::header::RETRY_AFTER, retry_after)
        .body("text/plain; charset=utf-8", "too much to do: try again later\n")
}
