//! What the scheduler knows of threads: the tool must be able to say that it was the limit itself, and
//! what a server took.

use std::fs;

use crate::clock::Nanos;

/// What a thread has had so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CpuTime {
    /// On a CPU.
    pub(crate) running: Nanos,
    /// Ready to run, without a CPU.
    pub(crate) waiting: Nanos,
}

impl CpuTime {
    /// The calling thread's; `None` where the system does not tell.
    pub(crate) fn of_this_thread() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/thread-self/schedstat").ok()?)
    }

    /// Of all threads of a process that there are; `None` where the system does not tell.
    pub(crate) fn of_process(pid: u32) -> Option<Self> {
        let mut sum = Self::default();
        for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()? {
            let path = thread.ok()?.path().join("schedstat");
            // A thread may have ended meanwhile.
            let Ok(text) = fs::read_to_string(path) else { continue };
            let thread = Self::parse(&text)?;
            sum.running += thread.running;
            sum.waiting += thread.waiting;
        }
        Some(sum)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split_whitespace().map_while(|field| field.parse().ok());
        Some(Self { running: fields.next()?, waiting: fields.next()? })
    }

    /// What it has had since then.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            running: self.running.saturating_sub(earlier.running),
            waiting: self.waiting.saturating_sub(earlier.waiting),
        }
    }
}

/// How a thread spent the part of the run that is measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    /// What the scheduler says; `None` where it does not.
    pub(crate) cpu: Option<CpuTime>,
    /// Looking for something to do and finding nothing, instead of sleeping.
    pub(crate) spun: Nanos,
    pub(crate) elapsed: Nanos,
}

impl Effort {
    /// The share of the time, from 0 to 1, in which the thread had something to do and a CPU.
    pub(crate) fn busy(&self) -> Option<f64> {
        self.share(|cpu| {
            // A thread that spins is robbed of its CPU like any other; it did not spin meanwhile.
            let had = cpu.running as f64 / (cpu.running + cpu.waiting).max(1) as f64;
            cpu.running.saturating_sub((self.spun as f64 * had) as Nanos)
        })
    }

    /// The share of the time in which it had something to do and no CPU.
    pub(crate) fn starved(&self) -> Option<f64> {
        self.share(|cpu| cpu.waiting)
    }

    fn share(&self, part: impl Fn(CpuTime) -> Nanos) -> Option<f64> {
        let cpu = self.cpu.filter(|_| self.elapsed > 0)?;
        Some((part(cpu) as f64 / self.elapsed as f64).min(1.0))
    }
}

/// Measures what a server takes while it is loaded.
#[derive(Debug)]
pub(crate) struct ServerMeter {
    pid: u32,
    from: Nanos,
    before: Option<CpuTime>,
}

impl ServerMeter {
    /// It will begin at `from`.
    pub(crate) fn new(pid: u32, from: Nanos) -> Self {
        Self { pid, from, before: None }
    }

    /// To be called often: begins when it is time.
    #[inline]
    pub(crate) fn look(&mut self, now: Nanos) {
        if self.before.is_none() && now >= self.from {
            self.before = CpuTime::of_process(self.pid);
        }
    }

    /// `None` if the process is gone.
    pub(crate) fn stop(self) -> Option<CpuTime> {
        Some(CpuTime::of_process(self.pid)?.since(self.before?))
    }
}

/// Measures the calling thread's effort.
#[derive(Debug)]
pub(crate) struct Meter {
    from: Nanos,
    /// When the measurement began, and what the thread had had until then.
    begun: Option<(Nanos, Option<CpuTime>)>,
    spun: Nanos,
}

impl Meter {
    /// It will begin at `from`.
    pub(crate) fn new(from: Nanos) -> Self {
        Self { from, begun: None, spun: 0 }
    }

    /// To be called often: begins when it is time.
    #[inline]
    pub(crate) fn look(&mut self, now: Nanos) {
        if self.begun.is_none() && now >= self.from {
            self.begun = Some((now, CpuTime::of_this_thread()));
            self.spun = 0;
        }
    }

    /// So long the thread has looked for something to do in vain.
    #[inline]
    pub(crate) fn add_spin(&mut self, time: Nanos) {
        self.spun += time;
    }

    pub(crate) fn stop(self, now: Nanos) -> Effort {
        let Some((begun_at, before)) = self.begun else { return Effort::default() };
        let cpu = CpuTime::of_this_thread().zip(before).map(|(now, before)| now.since(before));
        Effort { cpu, spun: self.spun, elapsed: now - begun_at }
    }
}
