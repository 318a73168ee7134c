//! The hostile clients, in a process of their own: each kind does its worst again and again, by the
//! dozen, and notes how the engine answers.

#[cfg(feature = "deflate")]
mod deflating;
mod floods;
mod ground;
mod handshakes;
mod proxies;
mod silence;
#[cfg(feature = "tls")]
mod tls;
mod violations;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Args;

use crate::settings::{self, Reach};
pub(crate) use ground::GONE;
use ground::Ground;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long)]
    plain: SocketAddr,
    #[arg(long)]
    proxied: SocketAddr,
    #[arg(long, requires = "tls_ca")]
    tls: Option<SocketAddr>,
    #[arg(long)]
    tls_ca: Option<PathBuf>,
    #[arg(long)]
    seconds: f64,
}

/// Attackers take so much more time: a build that is not optimized takes it too.
const SLOWER: u32 = if cfg!(debug_assertions) { 4 } else { 1 };

/// How an attack ended: `close 1002`, `http 408`, `end`, `reset` and so on, the engine's doing; or
/// what the attacker did in the end because nothing had happened.
pub(crate) type Answer = String;

/// Something that nobody should do to a server.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    /// So many do it at the same time.
    count: usize,
    /// How far each of them gets.
    reach: Reach,
    /// What an attacker does once; an error is an end that came early.
    run: fn(&Ground) -> Result<Answer, Answer>,
    /// The attacker's rest before it does so again.
    pause: Duration,
    /// How the engine may answer.
    pub(crate) answers: &'static [&'static str],
}

/// How many attacks of each name were answered in each way.
pub(crate) type Answers = BTreeMap<String, BTreeMap<Answer, u64>>;

/// All kinds of attacks that there are.
pub(crate) fn all() -> Vec<Attack> {
    let mut attacks = Vec::new();
    attacks.extend(handshakes::ATTACKS);
    attacks.extend(violations::ATTACKS);
    attacks.extend(floods::ATTACKS);
    attacks.extend(silence::ATTACKS);
    attacks.extend(proxies::ATTACKS);
    #[cfg(feature = "deflate")]
    attacks.extend(deflating::ATTACKS);
    #[cfg(feature = "tls")]
    attacks.extend(tls::ATTACKS);
    attacks
}

/// All connections that attackers have at once, at most.
pub(crate) fn connections() -> impl Iterator<Item = Reach> {
    let attackers =
        all().into_iter().flat_map(|attack| std::iter::repeat_n(attack.reach, attack.count));
    let besides = handshakes::STORM_COUNT + settings::MAX_PER_ADDRESS as usize;
    attackers.chain(std::iter::repeat_n(Reach::Request, besides))
}

/// Attacks for as long as it was told, and prints the answers.
pub(crate) fn run(options: &Options) {
    let ground = Ground::new(options.plain, options.proxied, options.seconds);
    #[cfg(feature = "tls")]
    let ground = match (options.tls, &options.tls_ca) {
        (Some(address), Some(ca)) => ground.with_tls(address, ca),
        _ => ground,
    };
    let answers = Mutex::new(Answers::new());
    std::thread::scope(|scope| {
        for (attack, address) in all().into_iter().zip(2..) {
            for _ in 0..attack.count {
                let ground = ground.for_one_from(Ipv4Addr::new(127, 0, 1, address));
                let (answers, attack) = (&answers, Attack { ..attack });
                scope.spawn(move || attack.repeat(&ground, answers));
            }
        }
    });
    let answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{}", serde_json::to_string(&answers).expect("answers"));
}

impl Attack {
    fn repeat(&self, ground: &Ground, answers: &Mutex<Answers>) {
        // They do not all begin at once, but for those that mean to.
        rest(ground, (self.pause * SLOWER).mul_f64(fastrand::f64()));
        while !ground.is_over() {
            let (Ok(answer) | Err(answer)) = (self.run)(ground);
            let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            *answers.entry(self.name.to_owned()).or_default().entry(answer).or_default() += 1;
            drop(answers);
            rest(ground, self.pause * SLOWER);
        }
    }
}

/// Waits for `interval`, or for the end of the attack if that is nearer.
fn rest(ground: &Ground, interval: Duration) {
    std::thread::sleep(interval.min(ground.time_left()));
}

/// Whether so much time has passed.
fn is_after(start: Instant, time: Duration) -> bool {
    start.elapsed() >= time
}
