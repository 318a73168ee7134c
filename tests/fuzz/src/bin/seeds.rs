//! Writes the seeds of all targets anew: `cargo run --bin seeds`.

fn main() -> std::io::Result<()> {
    tickwire_fuzz::write_seeds()
}
