"""Starts an example server as its own process and ends it again.

The binaries are looked for in the directory that TICKWIRE_EXAMPLES names, else where
`cargo build --release --examples` puts them.
"""

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path

EXAMPLES = Path(os.environ.get("TICKWIRE_EXAMPLES") or Path(__file__).resolve().parents[2] / "target/release/examples")
# Only so that a hang becomes a failure; nothing is measured against it.
PATIENCE_SECONDS = 20

# Every example takes the same flags; both ways of running handlers must look alike from outside.
HANDLER_MODES = {"inline": ["--handler-threads", "0"], "threads": ["--handler-threads", "2"]}


class ExampleServer:
    """One running server. As a context manager it demands a clean end."""

    def __init__(self, name, mode="inline", arguments=()):
        command = [EXAMPLES / name, "--listen", "127.0.0.1:0", "--event-loops", "2", *HANDLER_MODES[mode], *arguments]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        # A server that says nothing must not hang the tests, and a pipe has no read timeout.
        watchdog = threading.Timer(PATIENCE_SECONDS, self.child.kill)
        watchdog.start()
        line = self.child.stdout.readline()
        watchdog.cancel()
        match = re.fullmatch(r"listening on (.+):(\d+)", line.strip())
        if not match:
            self.kill()
            raise AssertionError(f"{name} said {line!r} instead of `listening on ADDR`")
        self.host, self.port = match.group(1), int(match.group(2))

    @property
    def address(self):
        return self.host, self.port

    def url(self, path="/"):
        return f"ws://{self.host}:{self.port}{path}"

    def stop(self, signal_number=signal.SIGTERM):
        """Ends the server; returns its exit status, which is negative where it had to be killed."""
        assert self.child.poll() is None, f"the server died with status {self.child.returncode}"
        self.child.send_signal(signal_number)
        return self.wait()

    def wait(self):
        try:
            return self.child.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            return self.kill()
        finally:
            self.child.stdout.close()

    def kill(self):
        self.child.kill()
        self.child.stdout.close()
        return self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.returncode is None:
            assert self.stop() == 0


def describe(message):
    """A message in short, for assertions: pytest would print megabytes."""
    return json.dumps(message)[:200] if isinstance(message, str) else f"{len(message)} bytes {message[:40]!r}"
