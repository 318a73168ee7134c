#!/usr/bin/env bash
# Fuzzes: each target for a while, as many at a time as there are cores, instrumented for coverage and checked by
# AddressSanitizer.
#
#   tests/fuzz.sh                  all targets, 10 seconds each
#   tests/fuzz.sh --seconds 3600   all targets, an hour each
#   tests/fuzz.sh frames           one target; more may be named
#   tests/fuzz.sh frames FILE      one input again, such as one that was found
#   tests/fuzz.sh --lint           clippy as well, which shares the build
#
# What is learnt stays in the target directory, in fuzz-corpus/TARGET, and is where the next run begins.
# What breaks a promise is written to fuzz-artifacts/TARGET beside it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly MANIFEST=tests/fuzz/Cargo.toml
# As cargo-fuzz has them. The passes are there in a stable compiler, too; the sanitizer is one of the
# things that RUSTC_BOOTSTRAP opens.
readonly INSTRUMENTATION=(
    -Zsanitizer=address
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
)
SECONDS_EACH=10
LINT=false
TARGETS=()
INPUTS=()

main() {
    parse_arguments "$@"
    local target_dir host
    target_dir=$(cargo metadata --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
    host=$(rustc -vV | sed -n 's/^host: //p')
    PROGRAMS=$target_dir/fuzz/$host/fuzz
    CORPORA=$target_dir/fuzz-corpus
    ARTIFACTS=$target_dir/fuzz-artifacts
    # A target of its own keeps the instrumentation out of build scripts and macros.
    export CARGO_TARGET_DIR=$target_dir/fuzz RUSTC_BOOTSTRAP=1 RUSTFLAGS="${INSTRUMENTATION[*]}"
    local build=(--locked --manifest-path "$MANIFEST" --profile fuzz --target "$host")
    cargo build "${build[@]}" --bins
    if ((${#INPUTS[@]} > 0)); then
        "$PROGRAMS/${TARGETS[0]}" "${INPUTS[@]}"
        return
    fi
    if [[ $LINT == true ]]; then cargo clippy "${build[@]}" --all-targets -- -D warnings; fi
    cargo test "${build[@]}" --lib
    local target pids=() failed=() i
    for target in "${TARGETS[@]}"; do
        while (($(jobs -pr | wc -l) >= $(nproc))); do sleep 0.2; done
        fuzz "$target" &
        pids+=($!)
    done
    for i in "${!pids[@]}"; do
        wait "${pids[i]}" || failed+=("${TARGETS[i]}")
    done
    if ((${#failed[@]} > 0)); then
        echo "FAILED: ${failed[*]}; what was found is in $ARTIFACTS" >&2
        exit 1
    fi
}

fuzz() {
    local target=$1 corpus=$CORPORA/$1 found=$ARTIFACTS/$1 log=$ARTIFACTS/$1.log
    mkdir -p "$corpus" "$found"
    if "$PROGRAMS/$target" "$corpus" "tests/fuzz/seeds/$target" -max_total_time="$SECONDS_EACH" \
        -artifact_prefix="$found/" -max_len=4096 -timeout=10 &>"$log"; then
        # Executions, edges and features covered, inputs kept.
        printf '%-17s %s\n' "$target" "$(grep -E '^#[0-9]+.DONE' "$log" | tr '\t' ' ')"
    else
        printf '%-17s FAILED\n' "$target"
        grep -m 1 -B 2 -A 30 -E 'panicked at|^==[0-9]+==|ERROR' "$log" || tail -n 40 "$log"
        grep -E '^Test unit written' "$log" || true
        return 1
    fi
}

parse_arguments() {
    local all
    all=$(ls tests/fuzz/seeds)
    while (($# > 0)); do
        case $1 in
            --seconds)
                shift
                SECONDS_EACH=${1:?--seconds needs a number}
                ;;
            --lint) LINT=true ;;
            -h | --help)
                sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
                exit 0
                ;;
            *)
                if grep -qx -- "$1" <<<"$all"; then
                    TARGETS+=("$1")
                elif [[ -f $1 && ${#TARGETS[@]} == 1 ]]; then
                    INPUTS+=("$1")
                else
                    echo "unknown argument $1; see --help" >&2
                    exit 2
                fi
                ;;
        esac
        shift
    done
    if ((${#TARGETS[@]} == 0)); then mapfile -t TARGETS <<<"$all"; fi
}

main "$@"
