//! How thorough a run is that criterion does not lead.

/// What the command line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    Full,
    Quick,
    /// Everything once: does it work? As `cargo test --benches` runs it, without `--bench`.
    Test,
}

impl Pace {
    pub(crate) fn of(args: &[String]) -> Self {
        let has = |flag: &str| args.iter().any(|arg| arg == flag);
        match () {
            () if has("--test") || !has("--bench") => Self::Test,
            () if has("--quick") => Self::Quick,
            () => Self::Full,
        }
    }
}
