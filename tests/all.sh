#!/usr/bin/env bash
# Installs what the tests need beyond Rust and runs every one of them:
#
#   rust         unit, integration and documentation tests
#   chaos        hostile clients by the dozen beside good ones: a minute of attacks
#   conformance  the Autobahn suite against both roles of the engine, and both over TLS
#   strangers    the examples through clients that share no code with the engine (Python, Node)
#   browser      the market feed's page in a real browser
#
# Only chaos measures, and is alone. The others wait most of the time: what they need is built beside rust,
# and conformance runs beside the rest. What runs beside others says nothing before it has ended.
#
#   tests/all.sh                     everything
#   tests/all.sh --quick             without Autobahn's slow group 9
#   tests/all.sh --full              with all of Autobahn's compression cases: half an hour more
#   tests/all.sh --only conformance  one suite; may be given more than once
#
# Python environments go to tests/.env, Node packages beside their package.json. Missing system
# packages (Chromium, Node, Python's venv) are installed by apt-get where that is allowed, or named.
# The exit status is 0 only when nothing failed. What had to be skipped is said loudly.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tests/steps.sh
source tests/steps.sh

readonly ALL_SUITES=(rust chaos conformance strangers browser)
readonly SKIPPED_STATUS=77
# Only so that a hang becomes a failure. TERM goes to all that a suite has started.
readonly PATIENCE=(timeout --kill-after=10 1200)
ENVIRONMENTS=$PWD/tests/.env

main() {
    parse_arguments "$@"
    require_cargo
    local target_dir
    target_dir=$(cargo metadata --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]*)".*/\1/')
    LOGS=$target_dir/test-logs
    export TICKWIRE_EXAMPLES=$target_dir/tested/examples
    export SCREENSHOTS=${SCREENSHOTS:-$target_dir/screenshots}
    mkdir -p "$LOGS" "$ENVIRONMENTS"

    local first=()
    if selected rust; then first+=(rust); fi
    if selected chaos || selected conformance || selected strangers || selected browser; then
        first+=("~ programs")
    fi
    steps_side_by_side "${first[@]}"
    if selected chaos; then with_programs step chaos; fi
    local waiting=() clients=()
    if selected conformance; then waiting+=(conformance); fi
    if selected strangers; then clients+=(strangers-python strangers-node); fi
    if selected browser; then clients+=(browser); fi
    if ((${#clients[@]} > 0)); then waiting+=("${clients[*]}"); fi
    if ((${#waiting[@]} > 0)); then with_programs steps_side_by_side "${waiting[@]}"; fi
    summarize
}

# ---- the suites ----

run_rust() {
    ensure_command chrt util-linux
    # Most tests wait for most of their time.
    export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$((2 * $(nproc)))}
    "${PATIENCE[@]}" cargo test --all-features --no-fail-fast
}

# Optimized as a release is, but without the whole-program passes, which take minutes and change no
# behaviour; nor does it matter how fast most dependencies are. A profile of its own, so that it and a real
# release build do not undo each other.
TESTED=(--profile tested --all-features
    --config 'profile.tested.inherits="release"' --config profile.tested.lto=false
    --config profile.tested.codegen-units=16 --config profile.tested.debug=false
    --config 'profile.tested.package."*".opt-level=1'
    --config profile.tested.package.zlib-rs.opt-level=3)
# Only the compiler runs these, and not for long: they are built for more time than that takes off.
for name in syn serde_derive clap_derive zerocopy-derive thiserror-impl cc; do
    TESTED+=(--config "profile.tested.package.$name.opt-level=0")
done
readonly TESTED

# All that is optimized, at once: on its own the test of chaos would leave cores idle.
run_programs() {
    cargo build "${TESTED[@]}" --examples --test chaos
}

run_chaos() {
    ensure_command chrt util-linux
    CHAOS_SECONDS=${CHAOS_SECONDS:-90} "${PATIENCE[@]}" cargo test "${TESTED[@]}" --test chaos
}

run_conformance() {
    local groups=1-7,9,10,12,13 extent=(--sample)
    if $QUICK; then groups=1-7,10,12,13; fi
    if $FULL; then extent=(--deadline 2400); fi
    ensure_command python3 python3
    ensure_command openssl openssl
    # A judge that lets a bad report pass would make the whole suite worthless.
    (cd tests/autobahn && python3 -B -m unittest --quiet test_judge)
    python3 -B tests/autobahn/run.py --groups "$groups" "${extent[@]}" --env "$ENVIRONMENTS/autobahn" \
        --reports "$LOGS/autobahn"
}

run_strangers_python() {
    ensure_command openssl openssl
    ensure_command curl curl
    ensure_command haproxy haproxy
    ensure_python_environment "$ENVIRONMENTS/strangers" tests/strangers/requirements.txt
    cd tests/strangers
    PYTHONDONTWRITEBYTECODE=1 "${PATIENCE[@]}" "$ENVIRONMENTS/strangers/bin/python" -m pytest
}

run_strangers_node() {
    ensure_command openssl openssl
    ensure_node 18
    cd tests/strangers
    npm ci --no-audit --no-fund
    # One file at a time: on a small machine two would only compete.
    "${PATIENCE[@]}" node --test --test-reporter=spec --test-concurrency=1
}

run_browser() {
    if [[ ! -f tests/browser/package.json ]]; then
        echo "tests/browser is not there"
        return 1
    fi
    ensure_node 20 || return "$SKIPPED_STATUS"
    ensure_chromium || return "$SKIPPED_STATUS"
    ensure_command openssl openssl
    export CHROMIUM MARKET_FEED_BIN=$TICKWIRE_EXAMPLES/market_feed
    mkdir -p "$SCREENSHOTS"
    cd tests/browser
    npm ci --no-audit --no-fund
    "${PATIENCE[@]}" node --test --test-reporter=spec --test-concurrency=1
}

# ---- running and counting ----

QUICK=false
FULL=false
SELECTED=()
LOGS=
# One row per suite: name, outcome, passed, failed, skipped, seconds.
ROWS=()
PROGRAMS_OUTCOME=

# Programs that were not built cannot be tested; old ones must not be tested in their place.
with_programs() {
    if [[ $PROGRAMS_OUTCOME == ok ]]; then
        "$@"
        return
    fi
    local name names=${*:2}
    for name in $names; do
        heading "$name"
        echo "SKIPPED: the programs did not build"
        ROWS+=("$name skipped 0 0 1 0")
    done
}

count_results() {
    local name=$1 status=$2 log=$3 seconds=$4 outcome=ok passed failed skipped
    read -r passed failed skipped < <(count_in_log "$log")
    if [[ $status == "$SKIPPED_STATUS" ]]; then
        outcome=skipped
        if [[ $skipped == 0 ]]; then skipped=1; fi
        echo "SKIPPED: $name was not run, see above"
    elif [[ $status != 0 || $failed != 0 ]]; then
        outcome=FAILED
        # What broke before its tests could count themselves has failed all the same.
        if [[ $failed == 0 ]]; then failed=1; fi
    elif [[ $name != programs && $passed == 0 ]]; then
        echo "FAILED: $name ended well but ran no test"
        outcome=FAILED
        failed=1
    fi
    if [[ $name == programs ]]; then PROGRAMS_OUTCOME=$outcome; fi
    ROWS+=("$name $outcome $passed $failed $skipped $seconds")
}

# Sums up what cargo, pytest, node and tests/autobahn/run.py say of themselves.
count_in_log() {
    sed -E 's/\x1b\[[0-9;]*m//g' "$1" | awk '
        function number_before(word,    at, rest) {
            at = match($0, "[0-9]+ " word)
            return at ? substr($0, RSTART, RLENGTH) + 0 : 0
        }
        /^test result: / {
            passed += number_before("passed"); failed += number_before("failed")
            skipped += number_before("ignored")
        }
        /^(=+ )?[0-9]+ (passed|failed|skipped|error).* in [0-9.]+s/ || /^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
            passed += number_before("passed"); failed += number_before("failed") + number_before("error")
            skipped += number_before("skipped")
        }
        /^[^ ]+ (pass|fail|cancelled|skipped|todo) [0-9]+$/ {
            if ($2 == "pass") passed += $3
            else if ($2 == "fail" || $2 == "cancelled") failed += $3
            else skipped += $3
        }
        END { print passed + 0, failed + 0, skipped + 0 }'
}

summarize() {
    local row name outcome passed failed skipped seconds
    local all_passed=0 all_failed=0 all_skipped=0
    heading "summary"
    printf '%-18s %-8s %7s %7s %8s %7s\n' suite outcome passed failed skipped time
    for row in "${ROWS[@]}"; do
        read -r name outcome passed failed skipped seconds <<<"$row"
        printf '%-18s %-8s %7d %7d %8d %7s\n' "$name" "$outcome" "$passed" "$failed" "$skipped" "$(clock "$seconds")"
        all_passed=$((all_passed + passed))
        all_failed=$((all_failed + failed))
        all_skipped=$((all_skipped + skipped))
    done
    if [[ $all_skipped != 0 ]]; then
        echo "NOT EVERYTHING WAS TESTED: look for SKIPPED and ignored above; logs are in $LOGS"
    fi
    if [[ $all_failed != 0 ]]; then echo "logs are in $LOGS"; fi
    echo "$all_passed passed, $all_failed failed, $all_skipped skipped"
    [[ $all_failed == 0 ]]
}

heading() {
    printf '\n==== [%s] %s ====\n' "$(clock "$SECONDS")" "$1"
}

clock() {
    printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# ---- what the suites need ----

require_cargo() {
    if ! command -v cargo >/dev/null; then
        echo "cargo is missing: install Rust 1.85 or later, from https://rustup.rs or your system's packages" >&2
        exit 1
    fi
}

ensure_python_environment() {
    local environment=$1 requirements=$2
    ensure_command python3 python3
    if cmp -s "$requirements" "$environment/installed.txt"; then return; fi
    echo "installing $requirements into $environment"
    rm -rf "$environment"
    # Debian keeps a part of `venv` in a package of its own.
    if ! python3 -m venv "$environment"; then
        install_packages python3-venv
        rm -rf "$environment"
        python3 -m venv "$environment"
    fi
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r "$requirements"
    cp "$requirements" "$environment/installed.txt"
}

ensure_node() {
    local oldest=$1 major
    ensure_command node nodejs || return 1
    ensure_command npm npm || return 1
    major=$(node --version | sed -E 's/^v([0-9]+).*/\1/')
    if ((major < oldest)); then
        echo "node $(node --version) is too old: version $oldest or later is needed"
        return 1
    fi
}

# Sets CHROMIUM to a browser's path.
ensure_chromium() {
    local name
    if [[ -n ${CHROMIUM:-} ]]; then return; fi
    command -v chromium chromium-browser google-chrome >/dev/null || install_packages chromium || true
    for name in chromium chromium-browser google-chrome; do
        if CHROMIUM=$(command -v "$name"); then return; fi
    done
    echo "SKIPPED: no Chromium. Install the package chromium, or set CHROMIUM to a browser's path."
    return 1
}

ensure_command() {
    local command=$1 package=$2
    command -v "$command" >/dev/null || install_packages "$package"
}

install_packages() {
    local as_root=()
    if ! command -v apt-get >/dev/null; then
        echo "cannot install $*: there is no apt-get here; install it by your system's means"
        return 1
    fi
    if ((EUID != 0)); then
        as_root=(sudo -n)
        if ! sudo -n true 2>/dev/null; then
            echo "cannot install $*: run \`sudo apt-get install $*\` and then this again"
            return 1
        fi
    fi
    echo "installing $* by apt-get"
    (
        # Suites run beside each other, and apt-get does not wait for itself.
        flock 9
        # A fresh container has no package lists; an old one has stale ones.
        apt_install "$@" || { "${as_root[@]}" apt-get update -q && apt_install "$@"; }
    ) 9>"$LOGS/apt-get.lock"
}

apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@" >/dev/null
}

# ---- arguments ----

parse_arguments() {
    while (($# > 0)); do
        case $1 in
            --quick) QUICK=true ;;
            --full) FULL=true ;;
            --only)
                shift
                if [[ " ${ALL_SUITES[*]} " != *" ${1:-} "* ]]; then
                    echo "--only needs one of: ${ALL_SUITES[*]}" >&2
                    exit 2
                fi
                SELECTED+=("$1")
                ;;
            -h | --help)
                sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
                exit 0
                ;;
            *)
                echo "unknown argument $1; see --help" >&2
                exit 2
                ;;
        esac
        shift
    done
    if ((${#SELECTED[@]} == 0)); then SELECTED=("${ALL_SUITES[@]}"); fi
}

selected() {
    [[ " ${SELECTED[*]} " == *" $1 "* ]]
}

main "$@"
