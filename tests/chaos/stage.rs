//! Good clients, alone and in chaos by turns.

use std::collections::BTreeMap;
use std::fmt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::attack::{self, Answers, GONE};
use crate::cores::{self, Cores};
use crate::good::Crew;
use crate::latency::{Phase, Summary};
use crate::picture::Picture;
use crate::scene::{Scene, this_program};
use crate::settings;

/// A round is a quiet phase and one of chaos.
const ROUND: Duration = Duration::from_secs(20);
/// The share of a round that is quiet.
const QUIET: f64 = 0.25;

/// Time is judged only where the server has its core for itself, or nearly so: others, the kernel's own
/// work among them, use no more than this share of it.
const MAX_OTHERS: f64 = 0.2;
/// What good clients may not suffer then.
const ABSURD_RATIO: f64 = 10.0;
const ABSURD_P99: Duration = Duration::from_millis(20);

/// What the second half of a run may add to what the allocator keeps.
const LEFT_LEN: usize = 8 << 20;

pub(crate) fn run(
    cores: Cores,
    handler_thread_count: usize,
    length: Duration,
    mut is_judged: bool,
) {
    let mut scene = Scene::start(cores, handler_thread_count);
    let mut crew = Crew::start(&scene.place);
    scene.publish();
    let mut memory = Memory::default();
    let mut answers = Answers::new();
    let mut picture = Picture::new(length);
    let round_count = (length.div_duration_f64(ROUND).round() as u32).max(1);
    let round = length / round_count;
    for at in 0..round_count {
        let met = scene.numbers().limits_met;
        let quiet = pass(&scene, &mut crew, &mut picture, Phase::Quiet, round.mul_f64(QUIET));
        assert_eq!(scene.numbers().limits_met, met, "good clients alone met a limit");
        memory.quiet.push(scene.process.resident_len());
        scene.process.forget_peak();
        let attackers = start_attackers(&scene, round.mul_f64(1.0 - QUIET));
        let chaos = pass(&scene, &mut crew, &mut picture, Phase::Chaos, round.mul_f64(1.0 - QUIET));
        is_judged &= chaos.others < MAX_OTHERS;
        gather(attackers, &mut answers);
        memory.peaks.push(scene.process.peak_resident_len());
        scene.settle(crew.count);
        println!("  round {at}: quiet {quiet}; chaos {chaos}");
    }
    let numbers = scene.numbers();
    println!("  the server: {numbers:?}");
    let publication_count = scene.finish();
    let shared = crew.shared.clone();
    crew.finish(publication_count);
    memory.quiet.push(scene.process.resident_len());
    scene.quit();
    let mode = if handler_thread_count == 0 { "inline" } else { "handler-threads" };
    println!("  picture: {}", picture.save(mode).display());
    let had_time = is_judged && round.mul_f64(1.0 - QUIET) > settings::PATIENCE.mul_f64(1.3);
    // First what is told in any case.
    memory.check(handler_thread_count);
    check_latencies(shared.latencies.summaries(), is_judged);
    check_limits(&numbers.limits_met, had_time);
    check_answers(&answers, had_time, is_judged);
}

/// What a phase was like.
#[derive(Clone, Copy)]
struct Passed {
    p99: Duration,
    /// The shares of the server's core that it used itself, and that others did.
    ran: f64,
    others: f64,
}

/// Lets a phase pass.
fn pass(
    scene: &Scene,
    crew: &mut Crew,
    picture: &mut Picture,
    phase: Phase,
    time: Duration,
) -> Passed {
    let times = || (scene.process.cpu_time(), scene.cores.busy_time());
    let (start, before) = (Instant::now(), times());
    let shared = crew.shared.clone();
    let latencies = &shared.latencies;
    latencies.enter(phase);
    while start.elapsed() < time {
        crew.check();
        if picture.is_due() {
            picture.add(phase, latencies.take_recent_p99(), scene.process.resident_len());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let p99 = latencies.enter(Phase::Neither);
    let (after, elapsed) = (times(), start.elapsed());
    let ran = after.0 - before.0;
    Passed {
        p99,
        ran: ran.div_duration_f64(elapsed),
        others: (after.1 - before.1).saturating_sub(ran).div_duration_f64(elapsed),
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p99, ran, others } = self;
        write!(
            f,
            "p99 {p99:?} (core: {:.0} % the server, {:.0} % others)",
            100.0 * ran,
            100.0 * others
        )
    }
}

fn start_attackers(scene: &Scene, time: Duration) -> Child {
    let mut command = cores::idle(&this_program());
    command.args(["attack", "--plain", &scene.place.plain.to_string()]);
    command.args(["--proxied", &scene.place.proxied.to_string()]);
    command.args(["--seconds", &time.as_secs_f64().to_string()]);
    #[cfg(feature = "tls")]
    {
        command.args(["--tls", &scene.place.tls.to_string(), "--tls-ca"]).arg(&scene.tls_ca);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the attackers start, by chrt (util-linux)")
}

fn gather(attackers: Child, answers: &mut Answers) {
    let output = attackers.wait_with_output().expect("the attackers end");
    assert!(output.status.success(), "the attackers failed: {}", output.status);
    let more: Answers = serde_json::from_slice(&output.stdout).expect("answers");
    for (name, more) in more {
        let answers = answers.entry(name).or_default();
        for (answer, count) in more {
            *answers.entry(answer).or_default() += count;
        }
    }
}

/// Each attack was answered as it should be, and, if there was the time, at least once. A few attackers,
/// and many where other things run, may have been too slow to get as far as their attack, or
/// to send more than is allowed.
fn check_answers(answers: &Answers, had_time: bool, is_judged: bool) {
    const TOO_SLOW: [&str; 3] = ["not let in", "http 408", "close 1000"];
    const FEW: f64 = 0.1;
    println!("  attacks, and how they were answered:");
    let mut wrong = Vec::new();
    for attack in attack::all() {
        let given = answers.get(attack.name).cloned().unwrap_or_default();
        let list: Vec<_> =
            given.iter().map(|(answer, count)| format!("{count} {answer}")).collect();
        println!("    {:32} {}", attack.name, list.join(", "));
        let total = given.values().sum::<u64>() as f64;
        let is_right = |answer: &str, count: u64| {
            let may_be_late = !is_judged || (count as f64) < FEW * total;
            let is_late = may_be_late && TOO_SLOW.contains(&answer);
            answer == GONE || is_late || attack.answers.contains(&answer)
        };
        wrong.extend(
            given
                .iter()
                .filter(|&(answer, &count)| !is_right(answer, count))
                .map(|(answer, count)| format!("{:?}: {count} by {answer:?}", attack.name)),
        );
        if had_time && !given.keys().any(|answer| answer != GONE) {
            wrong.push(format!("{:?} was never answered", attack.name));
        }
    }
    assert!(wrong.is_empty(), "attacks were not answered as they should be: {wrong:#?}");
}

/// There is no limit that nobody met, if there was the time.
fn check_limits(met: &BTreeMap<String, u64>, had_time: bool) {
    let list: Vec<_> = met.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("  limits met: {}", list.join(", "));
    let never: Vec<_> =
        met.iter().filter(|&(_, &count)| count == 0).map(|(name, _)| name).collect();
    assert!(!had_time || never.is_empty(), "limits that were never met: {never:?}");
}

/// Resident bytes of the server.
#[derive(Default)]
struct Memory {
    /// At the end of each quiet phase, and at the very end.
    quiet: Vec<usize>,
    /// The most of each phase of chaos.
    peaks: Vec<usize>,
}

impl Memory {
    fn check(&self, handler_thread_count: usize) {
        let mib = |len: usize| len as f64 / 1_048_576.0;
        let bound = settings::bound(attack::connections(), handler_thread_count);
        let first = self.quiet[0];
        let peak = self.peaks.iter().copied().max().unwrap_or(0);
        println!(
            "  resident: {:.1} MiB quiet, {:.1} MiB at most, {:.1} MiB in the end; {:.1} MiB more \
             than quiet are allowed",
            mib(first),
            mib(peak),
            mib(self.quiet[self.quiet.len() - 1]),
            mib(bound),
        );
        assert!(peak <= first + bound, "more than the limits allow");
        // What chaos has left behind is there to be used again: sooner or later that is enough.
        let settled = (self.quiet.len() / 2).max(1);
        let growth = self.quiet[self.quiet.len() - 1].saturating_sub(self.quiet[settled]);
        assert!(growth <= LEFT_LEN, "it grows: {:?}", self.quiet);
    }
}

fn check_latencies([quiet, chaos]: [Summary; 2], is_judged: bool) {
    for (name, Summary { count, p50, p99, p999, max, median_p99 }) in
        [("quiet", quiet), ("chaos", chaos)]
    {
        println!(
            "  {name}: {count} echoes, p50 {p50:?}, p99 {p99:?} ({median_p99:?} in the median \
             phase), p99.9 {p999:?}, max {max:?}"
        );
    }
    let ratio = chaos.median_p99.div_duration_f64(quiet.median_p99);
    let remark = if is_judged { "" } else { " (not judged: other things run here)" };
    println!("  P99 IN CHAOS TO P99 WHEN QUIET: {ratio:.2}{remark}");
    assert!(
        !is_judged || ratio < ABSURD_RATIO || chaos.median_p99 < ABSURD_P99,
        "good clients waited {ratio} times as long"
    );
}
