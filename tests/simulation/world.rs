//! All of it together: the clock, the events, and what must hold in the end.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use fastrand::Rng;
use tickwire::frame::CloseCode;

use super::client::Client;
use super::pipe::{Piece, Pipe};
use super::plan::{Action, BUSY, ClientPlan, Plan};
use super::server::Server;
use super::side::{End, State};
use super::timers::Timers;

/// A history that has not come to rest by then never does.
const NO_REST: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Connect(usize),
    /// The client follows its script.
    Act(usize),
    ClientReadable(usize),
    ClientWritable(usize),
    ServerReadable(usize),
    ServerWritable(usize),
    /// The server wakes up for its timers.
    Wake,
    /// The server learns that a connection is broken.
    Broken(usize),
    Publish(usize),
    /// Has everything come to rest? Then the server shuts down.
    Look,
}

/// A client and what connects it.
struct Joined {
    client: Client,
    up: Pipe,
    down: Pipe,
}

pub(crate) struct World {
    random: Rng,
    now: Duration,
    /// By time; what happens at once happens in any order.
    events: BinaryHeap<Reverse<(Duration, u32, Event)>>,
    server: Server,
    timers: Timers,
    plans: Vec<ClientPlan>,
    joined: Vec<Option<Joined>>,
    publications: Vec<(Duration, usize)>,
    conflates: bool,
    is_shut_down: bool,
    outcome: Outcome,
}

/// What has become of the connections, and what they have carried.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcome {
    closed: usize,
    broken: usize,
    gave_up: usize,
    slow: usize,
    echoes: u64,
    publications: u64,
    left_out: u64,
    events: u64,
}

impl Outcome {
    pub(crate) fn add(&mut self, other: &Self) {
        self.closed += other.closed;
        self.broken += other.broken;
        self.gave_up += other.gave_up;
        self.slow += other.slow;
        self.echoes += other.echoes;
        self.publications += other.publications;
        self.left_out += other.left_out;
        self.events += other.events;
    }

    /// Everything that can happen has.
    pub(crate) fn is_varied(&self) -> bool {
        let ends = [self.closed, self.broken, self.gave_up, self.slow];
        ends.iter().all(|&count| count > 0) && self.echoes > 0 && self.left_out > 0
    }
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let Plan { server, clients, publications } = Plan::new(&mut random);
        let mut world = Self {
            random,
            now: Duration::ZERO,
            events: BinaryHeap::new(),
            conflates: server.conflates,
            server: Server::new(server, clients.len()),
            timers: Timers::new(clients.len()),
            joined: clients.iter().map(|_| None).collect(),
            plans: clients,
            publications,
            is_shut_down: false,
            outcome: Outcome::default(),
        };
        for (i, connect_at) in
            world.plans.iter().map(|plan| plan.connect_at).enumerate().collect::<Vec<_>>()
        {
            world.plan(connect_at, Event::Connect(i));
        }
        for i in 0..world.publications.len() {
            world.plan(world.publications[i].0, Event::Publish(i));
        }
        world.plan(BUSY, Event::Look);
        world
    }

    fn plan(&mut self, time: Duration, event: Event) {
        self.events.push(Reverse((time.max(self.now), self.random.u32(..), event)));
    }

    pub(crate) fn run(mut self) -> Outcome {
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            assert!(time >= self.now);
            self.now = time;
            self.outcome.events += 1;
            self.happen(event);
            while let Some(key) = self.server.behind.pop() {
                self.server.catch_up(key, self.now);
                self.flush_server(key as usize);
            }
            self.look_at_timers();
        }
        self.check_end();
        self.outcome
    }

    /// As in each turn of an event loop, whatever it is that has woken it.
    fn look_at_timers(&mut self) {
        for i in self.timers.expire(self.now) {
            self.deadline(i);
        }
        if let Some(time) = self.timers.next_wake(self.now) {
            self.plan(time, Event::Wake);
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Connect(i) => self.connect(i),
            Event::Act(i) => self.act(i),
            Event::ClientReadable(i) => self.client_readable(i),
            Event::ClientWritable(i) => self.flush_client(i),
            Event::ServerReadable(i) => self.server_readable(i),
            Event::ServerWritable(i) => self.flush_server(i),
            Event::Wake => {}
            Event::Broken(i) => self.server_ends(i, false),
            Event::Publish(i) => {
                self.server.publish(self.publications[i].1, self.now);
                (0..self.joined.len()).for_each(|i| self.flush_server(i));
            }
            Event::Look => self.look(),
        }
    }

    fn joined(&mut self, i: usize) -> &mut Joined {
        self.joined[i].as_mut().expect("connected")
    }

    fn connect(&mut self, i: usize) {
        let mut nonce = [0; 16];
        self.random.fill(&mut nonce);
        let (up_seed, down_seed) = (self.random.u64(..), self.random.u64(..));
        let ClientPlan { up, down, script, .. } = &self.plans[i];
        self.joined[i] = Some(Joined {
            client: Client::new(script.clone(), nonce, self.now),
            up: Pipe::new(up.clone(), up_seed),
            down: Pipe::new(down.clone(), down_seed),
        });
        self.server.accept(i, self.now);
        self.plan_act(i);
        self.plan_deadline(i);
        self.flush_client(i);
    }

    // ---- the client's side ----

    fn plan_act(&mut self, i: usize) {
        if let Some(time) = self.joined(i).client.next_act() {
            self.plan(time, Event::Act(i));
        }
    }

    fn act(&mut self, i: usize) {
        let now = self.now;
        let joined = self.joined(i);
        if joined.client.side.is_over() || joined.client.frozen {
            return;
        }
        match joined.client.act(now) {
            Some(Action::Cut) => {
                joined.up.cut();
                joined.down.cut();
                joined.client.side.end(false);
                let time = now + joined.up.latency();
                self.plan(time, Event::Broken(i));
                return;
            }
            _ => self.flush_client(i),
        }
        self.plan_act(i);
    }

    fn flush_client(&mut self, i: usize) {
        let now = self.now;
        let Joined { client, up, .. } = self.joined(i);
        if client.side.is_over() || client.frozen {
            return;
        }
        client.side.flush(up, now);
        self.plan_server_read(i);
    }

    fn plan_client_read(&mut self, i: usize) {
        if let Some(time) = self.joined(i).down.plan_look() {
            self.plan(time, Event::ClientReadable(i));
        }
    }

    fn client_readable(&mut self, i: usize) {
        let now = self.now;
        let Joined { client, up, down, .. } = self.joined(i);
        if !down.is_due(now) || client.side.is_over() || client.frozen {
            return;
        }
        match down.read(now) {
            Piece::Bytes(bytes) => {
                client.side.receive(&bytes, now);
                client.work(now);
                let time = now + down.latency();
                if !self.server.served(i).side.queue.is_empty() {
                    self.plan(time, Event::ServerWritable(i));
                }
                self.flush_client(i);
            }
            Piece::End => {
                client.side.end(false);
                up.end(now);
                self.plan_server_read(i);
                return;
            }
            Piece::Nothing => {}
        }
        self.plan_client_read(i);
    }

    // ---- the server's side ----

    fn plan_server_read(&mut self, i: usize) {
        if let Some(time) = self.joined(i).up.plan_look() {
            self.plan(time, Event::ServerReadable(i));
        }
    }

    fn server_readable(&mut self, i: usize) {
        let now = self.now;
        // If it does not read, it looks again when it has written.
        if !self.joined(i).up.is_due(now) || !self.server.reads(i) {
            return;
        }
        let up = &mut self.joined(i).up;
        match up.read(now) {
            Piece::Bytes(bytes) => {
                let time = now + up.latency();
                self.server.served(i).side.receive(&bytes, now);
                self.server.heard(i);
                if !self.joined(i).client.side.queue.is_empty() {
                    self.plan(time, Event::ClientWritable(i));
                }
                self.serve(i);
            }
            Piece::End => return self.server_ends(i, false),
            Piece::Nothing => {}
        }
        self.plan_server_read(i);
    }

    fn serve(&mut self, i: usize) {
        self.server.work(i, self.now);
        self.flush_server(i);
    }

    fn flush_server(&mut self, i: usize) {
        let now = self.now;
        let Some(joined) = &mut self.joined[i] else { return };
        let side = &mut self.server.served(i).side;
        if side.is_over() {
            return;
        }
        let before = side.queue.len();
        side.flush(&mut joined.down, now);
        let (has_written, has_closed) = (side.queue.len() < before, side.has_closed());
        self.plan_client_read(i);
        if has_closed {
            return self.server_ends(i, false);
        }
        if has_written {
            self.server.catch_up(i as u32, now);
            if self.server.reads(i) {
                // What it had no room to answer.
                self.server.work(i, now);
                self.plan_server_read(i);
            }
            if !self.server.served(i).side.queue.is_empty() && self.joined(i).down.has_room() {
                return self.flush_server(i);
            }
        }
        self.plan_deadline(i);
    }

    fn plan_deadline(&mut self, i: usize) {
        if let Some(deadline) = self.server.deadline(i) {
            self.timers.schedule(i, deadline);
        }
    }

    fn deadline(&mut self, i: usize) {
        if self.server.expire(i, self.now) {
            return self.server_ends(i, true);
        }
        self.flush_server(i);
    }

    fn server_ends(&mut self, i: usize, gave_up: bool) {
        let now = self.now;
        if self.server.served(i).side.is_over() {
            return;
        }
        let was_open = self.server.served(i).side.is_open();
        let is_slow = self.server.served(i).is_slow;
        self.server.end(i, gave_up);
        match self.server.served(i).side.state {
            _ if !was_open => {}
            State::Ended(End::Closed(_)) if is_slow => self.outcome.slow += 1,
            State::Ended(End::Closed(_)) => self.outcome.closed += 1,
            State::Ended(End::Broken) => self.outcome.broken += 1,
            _ => self.outcome.gave_up += 1,
        }
        let Joined { up, down, .. } = self.joined(i);
        up.cut();
        down.end(now);
        self.plan_client_read(i);
    }

    // ---- the end ----

    /// Shuts down once everybody has everything.
    fn look(&mut self) {
        assert!(self.now < NO_REST, "no rest");
        let at_rest = (0..self.joined.len()).all(|i| self.is_at_rest(i));
        if !at_rest {
            return self.plan(self.now + Duration::from_secs(5), Event::Look);
        }
        let latest = self.server.topic.sequence();
        for i in 0..self.joined.len() {
            let (client, served) =
                (&self.joined[i].as_ref().unwrap().client, self.server.served(i));
            if !served.side.is_at_work() {
                continue;
            }
            client.check_settled(latest, !self.conflates);
            served.side.close(CloseCode::GOING_AWAY, self.now);
            self.flush_server(i);
        }
        self.is_shut_down = true;
    }

    /// Over, or open and with nothing on its way.
    fn is_at_rest(&mut self, i: usize) -> bool {
        let Some(joined) = &self.joined[i] else { return false };
        let served = self.server.connections[i].as_ref().expect("accepted");
        if served.side.is_over() {
            return joined.client.side.is_over() || joined.client.frozen;
        }
        let acts = joined.client.next_act().is_some();
        let (client, server) = (&joined.client.side, &served.side);
        let idle = client.queue.is_empty() && server.queue.is_empty() && server.carry.is_empty();
        let silent = joined.up.next_arrival().is_none() && joined.down.next_arrival().is_none();
        !acts && client.is_at_work() && server.is_at_work() && idle && silent && !served.lagging
    }

    fn check_end(&mut self) {
        assert!(self.is_shut_down);
        for i in 0..self.joined.len() {
            let Joined { client, .. } = self.joined[i].as_ref().expect("connected");
            let served = self.server.connections[i].as_ref().expect("accepted");
            assert!(served.side.is_over(), "never closed");
            assert!(client.side.is_over() || client.frozen, "never closed");
            for (one, other) in [(&client.side, &served.side), (&served.side, &client.side)] {
                if let State::Ended(End::Closed(code)) = one.state {
                    assert_eq!(Some(code), other.own_code);
                }
            }
            self.outcome.echoes += client.echoed;
            if let Some((first, last, count)) = client.publications {
                assert!(self.conflates || count == last - first + 1, "publications are missing");
                self.outcome.publications += count;
                self.outcome.left_out += last - first + 1 - count;
            }
        }
        assert_eq!(self.server.topic.subscriber_count(), 0);
    }
}
