//! An example as a process of its own, with all that it says.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use tickwire::transport::LocalAddr;

use crate::support::{PATIENCE, eventually, spawn_example};

/// Both ways to run handlers: what is seen from outside must be the same.
pub(crate) const MODES: [&str; 2] = ["0", "2"];

/// A running program; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    /// The lines of standard output and of standard error so far.
    lines: [Arc<Mutex<Vec<String>>>; 2],
    readers: Vec<JoinHandle<()>>,
}

/// How a program has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Program {
    pub(crate) fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = spawn_example(name, arguments);
        let stdout = child.stdout.take().expect("a pipe");
        let stderr = child.stderr.take().expect("a pipe");
        let lines: [Arc<Mutex<Vec<String>>>; 2] = Default::default();
        let readers = vec![collect(stdout, &lines[0]), collect(stderr, &lines[1])];
        Self { child, lines, readers }
    }

    pub(crate) fn stdout(&self) -> Vec<String> {
        self.lines[0].lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> Vec<String> {
        self.lines[1].lock().unwrap().clone()
    }

    /// Sends a signal such as `INT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(status.expect("kill runs").success());
    }

    /// The end, which must come by itself.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().expect("the program's status") {
                Some(status) => break status,
                None => std::thread::sleep(std::time::Duration::from_millis(5)),
            }
            assert!(start.elapsed() < 4 * PATIENCE, "it does not end: {:?}", self.stderr());
        };
        self.readers.drain(..).for_each(|reader| reader.join().expect("a reader"));
        let [stdout, stderr] = [self.stdout(), self.stderr()].map(|lines| lines.join("\n"));
        Ended { status, stdout, stderr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) -> JoinHandle<()> {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}

/// A running market feed.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) program: Program,
    pub(crate) address: LocalAddr,
}

impl Feed {
    /// A feed in one of [`MODES`] on a free port.
    #[track_caller]
    pub(crate) fn start(mode: &str, arguments: &[&str]) -> Self {
        let own = ["--listen", "127.0.0.1:0", "--event-loops", "2", "--handler-threads", mode];
        let program = Program::start("market_feed", &[&own, arguments].concat());
        eventually("the feed says where it listens", || !program.stdout().is_empty());
        let line = program.stdout().remove(0);
        let address = line.strip_prefix("listening on ").and_then(|address| address.parse().ok());
        let Some(address) = address else { panic!("not an address: {line:?}") };
        Self { program, address: LocalAddr::Tcp(address) }
    }

    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }
}
