//! The load generator in a process of its own, and its report.

use std::process::{Child, Command, Output};

use serde_json::Value;
use tickwire::transport::LocalAddr;

use crate::support::spawn_example;

/// The address as the program takes it.
pub(crate) fn url(address: &LocalAddr) -> String {
    match address {
        LocalAddr::Tcp(address) => format!("ws://{address}/"),
        LocalAddr::Unix(_) => address.to_string(),
    }
}

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs to the end.
#[track_caller]
pub(crate) fn run(arguments: &[&str]) -> Outcome {
    start(arguments).end()
}

/// Runs to the end, which must be one with a report in JSON. A machine that is busy with other tests
/// loses nothing: the program waits as long as a test does.
#[track_caller]
pub(crate) fn report(address: &LocalAddr, arguments: &[&str]) -> (Option<i32>, Report) {
    let url = url(address);
    let outcome = run(&[&[&url, "--json", "--patience=30s"], arguments].concat());
    (outcome.code, outcome.report())
}

/// A run; killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Run {
    child: Option<Child>,
}

pub(crate) fn start(arguments: &[&str]) -> Run {
    let child = spawn_example("load", arguments);
    Run { child: Some(child) }
}

impl Run {
    pub(crate) fn is_over(&mut self) -> bool {
        let child = self.child.as_mut().expect("a run that was not ended");
        child.try_wait().expect("the program's status").is_some()
    }

    /// As Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let child = self.child.as_ref().expect("a run that was not ended");
        let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    #[track_caller]
    pub(crate) fn end(mut self) -> Outcome {
        let child = self.child.take().expect("a run that was not ended");
        Outcome::of(&child.wait_with_output().expect("the program's output"))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    pub(crate) fn report(&self) -> Report {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => Report(value),
            Err(error) => panic!("{error} in {self:?}"),
        }
    }
}

/// A report in JSON.
#[derive(Debug)]
pub(crate) struct Report(Value);

impl Report {
    /// The field at a path such as `/latency_ns/p50`.
    #[track_caller]
    pub(crate) fn field(&self, path: &str) -> &Value {
        match self.0.pointer(path) {
            Some(value) => value,
            None => panic!("no {path} in {:#}", self.0),
        }
    }

    #[track_caller]
    pub(crate) fn number(&self, path: &str) -> u64 {
        match self.field(path).as_u64() {
            Some(number) => number,
            None => panic!("{path} is no number in {:#}", self.0),
        }
    }

    #[track_caller]
    pub(crate) fn text(&self, path: &str) -> &str {
        match self.field(path).as_str() {
            Some(text) => text,
            None => panic!("{path} is no text in {:#}", self.0),
        }
    }

    /// What was wrong with messages, by name, without what was not.
    #[track_caller]
    pub(crate) fn faults(&self) -> Vec<(&str, u64)> {
        let faults = self.field("/faults").as_object().expect("an object");
        let counts =
            faults.iter().map(|(name, count)| (&**name, count.as_u64().expect("a number")));
        counts.filter(|&(_, count)| count > 0).collect()
    }
}
