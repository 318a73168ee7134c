//! A server's process, and what must be the same whenever nobody but the good is there.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tickwire::transport::LocalAddr;

use crate::cores::Cores;
use crate::good::Place;
use crate::serve::Numbers;
use crate::support::Process;
#[cfg(feature = "tls")]
use crate::support::tls;

pub(crate) struct Scene {
    pub(crate) cores: Cores,
    pub(crate) process: Process,
    pub(crate) place: Place,
    #[cfg(feature = "tls")]
    pub(crate) tls_ca: PathBuf,
    /// Those that it started with.
    threads: Vec<String>,
    descriptor_count: usize,
}

impl Scene {
    pub(crate) fn start(cores: Cores, handler_thread_count: usize) -> Self {
        let mut command = Command::new(this_program());
        command.arg("serve").stdin(Stdio::piped());
        command.args(["--core", &cores.server.to_string()]);
        command.args(["--handler-threads", &handler_thread_count.to_string()]);
        #[cfg(feature = "tls")]
        let tls_ca = tell_of_tls(&mut command);
        let process = Process::start_loud(&mut command);
        let listener = |name| LocalAddr::Tcp(process.ask(name).parse().expect("an address"));
        let place = Place {
            plain: process.address().clone(),
            proxied: listener("proxied"),
            #[cfg(feature = "tls")]
            tls: listener("tls"),
        };
        // The good clients' threads are started from this one, and so are the hostile ones' processes.
        cores.be_a_client();
        let (threads, descriptor_count) = (process.thread_names(), process.descriptor_count());
        Self {
            cores,
            process,
            place,
            #[cfg(feature = "tls")]
            tls_ca,
            threads,
            descriptor_count,
        }
    }

    pub(crate) fn numbers(&self) -> Numbers {
        serde_json::from_str(&self.process.ask("numbers")).expect("numbers")
    }

    /// Descriptors beyond those that the server started with.
    pub(crate) fn added_descriptors(&self) -> usize {
        self.process.descriptor_count().saturating_sub(self.descriptor_count)
    }

    /// All good clients are connected, and from now on there are publications.
    pub(crate) fn publish(&mut self) {
        self.process.ask("publish");
        self.threads = self.process.thread_names();
    }

    /// No more of them; returns how many there were on each topic.
    pub(crate) fn finish(&mut self) -> u64 {
        let count = self.process.ask("finish").parse().expect("a number");
        // The publisher has ended.
        self.threads = self.process.thread_names();
        count
    }

    /// Waits until the server has nothing more of anybody but `count` connections.
    pub(crate) fn settle(&self, count: usize) {
        let start = Instant::now();
        loop {
            let (numbers, descriptors) = (self.numbers(), self.process.descriptor_count());
            let connected = count as u64;
            let is_settled = numbers.connections == count
                && numbers.states == connected
                && numbers.opened - numbers.closed == connected
                && numbers.bytes_queued == 0
                && descriptors == self.descriptor_count + count;
            if is_settled {
                break;
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "{count} connections should be left, in {} descriptors: {numbers:?}, {descriptors}",
                self.descriptor_count + count,
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        let numbers = self.numbers();
        assert_eq!(
            (numbers.broken, numbers.panics),
            (0, 0),
            "one close for each open: {numbers:?}"
        );
        assert_eq!(self.process.thread_names(), self.threads, "no thread came or went");
    }

    /// Ends the server, in order.
    pub(crate) fn quit(self) {
        self.settle(0);
        assert_eq!(self.process.ask("quit"), "bye");
    }
}

pub(crate) fn this_program() -> PathBuf {
    std::env::current_exe().expect("the test's own path")
}

/// A certificate for the server; returns the file of who issued it.
#[cfg(feature = "tls")]
fn tell_of_tls(command: &mut Command) -> PathBuf {
    let identity = tls::authority().issue(&[tls::NAME]);
    let certificate = tls::write_file("server.pem", &identity.certificate);
    let key = tls::write_file("server.key", &identity.key);
    command.arg("--tls-certificate").arg(certificate).arg("--tls-key").arg(key);
    tls::write_file("ca.pem", &tls::authority().pem())
}
