#!/usr/bin/env bash
# Runs all Rust tests under AddressSanitizer: ours, and through them every dependency that has unsafe
# code. CI does this for the modules with unsafe code alone, for here it takes a quarter of an
# hour, a third of it for the build.
#
#   tests/sanitizers.sh                          all tests
#   tests/sanitizers.sh --test engine closing    whatever `cargo test` takes
#
# ThreadSanitizer is not among them: it needs a standard library that was built for it. What synchronises
# threads by hand is for loom to judge (`.ci/run`).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target_dir=$(cargo metadata --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
host=$(rustc -vV | sed -n 's/^host: //p')
# Memory that was freed is kept from reuse to find who still uses it: little of it, or tests that weigh the
# process would find it grown.
export ASAN_OPTIONS=quarantine_size_mb=1:${ASAN_OPTIONS:-}
export CARGO_TARGET_DIR=$target_dir/asan-all RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address
# Documentation's examples are linked without the sanitizer. The programs of examples are built with it.
selection=("$@")
if (($# == 0)); then selection=(--lib --tests); fi
cargo build --locked --all-features --examples --target "$host"
cargo test --locked --all-features --no-fail-fast --target "$host" "${selection[@]}"
