#!/usr/bin/env python3
"""Runs the Autobahn test suite against both roles of the engine, and against both over TLS, and judges
its reports.

    tests/autobahn/run.py                             # everything, release binaries
    tests/autobahn/run.py --mode inline --groups 1-7  # a part of it
    tests/autobahn/run.py --sample                    # some of the compression cases, 12 and 13
    tests/autobahn/run.py --server-bin PATH           # another echo server with the same flags

The suite's own exit status says nothing: it is 0 when cases fail and when the server died half
way. So the reports decide: every expected case must be there, and every one must be OK, but for
the three cases that ask for no particular behaviour and report INFORMATIONAL to everybody.

Exit status: 0 all passed, 1 something failed, 77 skipped (no Python 2.7 to run the suite with).
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from judge import CASE_COUNTS, SAMPLE, judge
from processes import Failure, Wstest, free_port, start_server
from suite_env import NoPython27, wstest_command

ROOT = Path(__file__).resolve().parents[2]
MODES = ["inline", "threads", "client", "tls", "tls-client"]
TLS_MODES = {"tls", "tls-client"}
CLIENT_MODES = {"client", "tls-client"}
# Over TLS what is at stake is how frames are cut into records, not how fast large ones are.
TLS_GROUPS = [str(group) for group in range(1, 8)]
SKIPPED = 77


def main():
    all_options = options = parse_options()
    # As an exception, so that what was started is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        command = wstest_command(options.env)
    except NoPython27 as error:
        print(f"autobahn: SKIPPED, nothing was tested: {error}")
        print("0 passed, 0 failed, 1 skipped")
        return SKIPPED

    rows = []
    for mode in all_options.mode:
        options = of_mode(mode, all_options)
        if not options.groups:
            continue
        started = time.monotonic()
        reports = options.reports / mode
        shutil.rmtree(reports, ignore_errors=True)
        reports.mkdir(parents=True)
        say(f"{mode}: {expected_count(options)} cases, reports in {reports}")
        try:
            run = test_client if mode in CLIENT_MODES else test_server
            notes = run(command, mode, options, reports)
            verdict = judge(read_index(reports), options.groups, options.sample)
            verdict.problems += notes
        except Failure as failure:
            verdict = judge(read_index(reports), options.groups, options.sample)
            verdict.problems.append(str(failure))
        rows.append((mode, verdict, time.monotonic() - started))
    return print_table(rows)


def of_mode(mode, options):
    """The options with as many of the groups as are run in this mode."""
    groups = [group for group in options.groups if mode not in TLS_MODES or group in TLS_GROUPS]
    return argparse.Namespace(**{**vars(options), "groups": groups})


def test_server(command, mode, options, reports):
    """The suite as a fuzzing client against the echo example."""
    handler_threads = "2" if mode == "threads" else "0"
    arguments = ["--event-loops", "2", "--handler-threads", handler_threads]
    if {"12", "13"} & set(options.groups):
        # One compressor for all, and one for each connection.
        arguments += ["--deflate", "shared" if mode == "inline" else "dedicated"]
    scheme = "ws"
    if mode == "tls":
        scheme = "wss"
        certificate, key = make_certificate(reports)
        # The suite believes any certificate.
        arguments += ["--tls-cert", certificate, "--tls-key", key]
    with start_server(options.server_bin, arguments, reports / "server.log") as server:
        spec = {
            "outdir": str(reports),
            "servers": [{"agent": mode, "url": f"{scheme}://{server.address}"}],
            "options": {"failByDrop": False},
            **case_selection(options),
        }
        with Wstest(command, "fuzzingclient", spec, reports, say) as suite:
            suite.wait_for_end(watch=server, deadline=options.deadline)
        return server.stop()


def test_client(command, mode, options, reports):
    """The suite as a fuzzing server for the client example, which asks for one case after another."""
    port = free_port()
    scheme, identity, arguments = "ws", {}, ["--agent", mode]
    if mode in TLS_MODES:
        scheme = "wss"
        certificate, key = make_certificate(reports)
        identity = {"cert": certificate, "key": key}
        arguments += ["--tls-ca", certificate]
    spec = {
        "outdir": str(reports),
        "url": f"{scheme}://127.0.0.1:{port}",
        **identity,
        "options": {"failByDrop": False},
        **case_selection(options),
    }
    with Wstest(command, "fuzzingserver", spec, reports, say) as suite:
        suite.wait_for_port(port)
        arguments += ["--server", spec["url"]]
        suite.run_client(options.client_bin, arguments, reports / "client.log", options.deadline)
    return []


def make_certificate(reports):
    """A certificate for the loopback address, made for this run, and its key."""
    certificate, key = reports / "server.pem", reports / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-days", "2", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-addext", "basicConstraints=critical,CA:FALSE", "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failure(f"openssl makes no certificate: {error}") from None
    return str(certificate), str(key)


def read_index(reports):
    """The suite writes its reports at its very end, so after a failure there may be none."""
    try:
        agents = json.loads((reports / "index.json").read_text())
    except (OSError, ValueError):
        return {}
    return {case: result for cases in agents.values() for case, result in cases.items()}


def case_selection(options):
    cases = []
    for group in options.groups:
        sampled = options.sample and group in SAMPLE
        cases += SAMPLE[group] if sampled else [f"{group}.*"]
    return {"cases": cases, "exclude-cases": [], "exclude-agent-cases": {}}


def expected_count(options):
    return sum(
        len(SAMPLE[group]) if options.sample and group in SAMPLE else CASE_COUNTS[group] for group in options.groups
    )


def print_table(rows):
    for mode, verdict, _ in rows:
        for problem in verdict.problems:
            print(f"{mode}: {problem}")
    print(f"{'role':<10}{'cases':>7}{'ok':>7}{'informational':>15}{'problems':>10}{'seconds':>9}")
    for mode, verdict, seconds in rows:
        print(
            f"{mode:<10}{verdict.case_count:>7}{verdict.ok_count:>7}"
            f"{verdict.informational_count:>15}{len(verdict.problems):>10}{seconds:>9.0f}"
        )
    passed = sum(verdict.ok_count + verdict.informational_count for _, verdict, _ in rows)
    failed = sum(len(verdict.problems) for _, verdict, _ in rows)
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


def parse_options():
    examples = os.environ.get("TICKWIRE_EXAMPLES") or ROOT / "target/release/examples"
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--mode", default=MODES, type=mode_list, help=f"any of {','.join(MODES)} (default: all)")
    parser.add_argument("--groups", default="1-7,9,10,12,13", type=group_list, help="case groups (default: %(default)s)")
    parser.add_argument("--sample", action="store_true", help="of the groups 12 and 13 only a spread of cases")
    parser.add_argument("--server-bin", type=Path, default=Path(examples) / "echo")
    parser.add_argument("--client-bin", type=Path, default=Path(examples) / "autobahn_client")
    parser.add_argument("--env", type=Path, default=ROOT / "tests/.env/autobahn", help="where the suite is installed")
    parser.add_argument("--reports", type=Path, default=ROOT / "target/autobahn", help="where reports and logs go")
    parser.add_argument("--deadline", type=float, default=600, help="seconds that one mode may take")
    options = parser.parse_args()
    options.reports = options.reports.resolve()
    options.env = options.env.resolve()
    binaries = {options.client_bin if mode in CLIENT_MODES else options.server_bin for mode in options.mode}
    for binary in sorted(binaries):
        if not os.access(binary, os.X_OK):
            parser.error(f"{binary} is not there: run `cargo build --release --examples` first")
    return options


def mode_list(text):
    modes = MODES if text == "all" else text.split(",")
    if not set(modes) <= set(MODES):
        raise argparse.ArgumentTypeError(f"{text!r}: choose from {', '.join(MODES)}")
    return modes


def group_list(text):
    groups = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        groups += [str(group) for group in range(int(first), int(last or first) + 1)]
    unknown = [group for group in groups if group not in CASE_COUNTS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such group: {', '.join(unknown)}")
    return groups


def say(text):
    print(f"autobahn: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
