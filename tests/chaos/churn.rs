//! Connections that come, echo once and go, by the thousand each second, beside those that stay.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::cores::Cores;
use crate::good::Crew;
use crate::latency::Phase;
use crate::scene::Scene;
use crate::settings;
use crate::support::{Client, Dial, Received};

/// Connections a second.
const RATE: u32 = if cfg!(debug_assertions) { 400 } else { 2000 };
/// Threads that connect.
const CHURNER_COUNT: u32 = 8;

/// The server may hold so much more at the end than after the first quarter.
const LEFT_LEN: usize = 4 << 20;

/// Memory is judged if `is_judged`: within half a second the server, and a sanitizer if there is one, has only
/// begun to have what it needs.
pub(crate) fn run(cores: Cores, length: Duration, is_judged: bool) {
    let mut scene = Scene::start(cores, 0);
    let mut crew = Crew::start(&scene.place);
    scene.publish();
    crew.shared.latencies.enter(Phase::Chaos);
    let start = Instant::now();
    let done = AtomicU64::new(0);
    let (mut resident, mut most) = (Vec::new(), (0, 0));
    // Those who come and go have one address, those who stay this one and that of a proxy's client.
    let max_count = settings::MAX_PER_ADDRESS as usize + 1;
    std::thread::scope(|scope| {
        for at in 0..CHURNER_COUNT {
            let (dial, done) = (Dial::new(&scene.place.plain), &done);
            scope.spawn(move || churn(&dial, at, start, length, done));
        }
        while start.elapsed() < length {
            std::thread::sleep(length / 100);
            resident.push(scene.process.resident_len());
            let (connections, descriptors) =
                (scene.numbers().connections, scene.added_descriptors());
            assert!(connections <= max_count, "{connections} connections at a time");
            // Of those that are turned away, or are being closed, it has some for a moment.
            assert!(descriptors <= 2 * max_count, "{descriptors} descriptors for them");
            most = (most.0.max(connections), most.1.max(descriptors));
            crew.check();
        }
    });
    let took = start.elapsed();
    scene.settle(crew.count);
    let (publication_count, shared) = (scene.finish(), crew.shared.clone());
    crew.finish(publication_count);
    scene.quit();
    shared.latencies.enter(Phase::Neither);
    let [_, stayed] = shared.latencies.summaries();
    let count = done.load(Ordering::Relaxed);
    println!(
        "  {count} connections, {:.0} a second, at most {} at a time in {} descriptors; resident {} KiB after a quarter, {} KiB at the end; \
         echoes of those that stayed: p50 {:?}, p99 {:?}",
        count as f64 / took.as_secs_f64(),
        most.0,
        most.1,
        resident[resident.len() / 4] / 1024,
        resident[resident.len() - 1] / 1024,
        stayed.p50,
        stayed.p99,
    );
    let growth = resident[resident.len() - 1].saturating_sub(resident[resident.len() / 4]);
    assert!(!is_judged || growth <= LEFT_LEN, "{growth} bytes more than after the first quarter");
}

/// One of those who come and go, in each of the ways to go.
fn churn(dial: &Dial, at: u32, start: Instant, length: Duration, done: &AtomicU64) {
    let interval = Duration::from_secs(1) * CHURNER_COUNT / RATE;
    let mut due = start + interval * at / CHURNER_COUNT;
    while due < start + length {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let text = fastrand::u64(..).to_string();
        let mut client = dial.clone().text_behind(&text).connect();
        client.expect_text(&text);
        leave(client);
        done.fetch_add(1, Ordering::Relaxed);
        due += interval;
    }
}

fn leave(mut client: Client) {
    match fastrand::u32(..4) {
        0 | 1 => client.leave(),
        2 => client.reset(),
        _ => {
            client.shutdown_write();
            client.expect(Received::End);
        }
    }
}
