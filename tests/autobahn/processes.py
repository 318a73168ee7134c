"""The processes of a run: each is started here, watched, and ended by its own handle."""

import json
import queue
import re
import signal
import socket
import subprocess
import threading
import time

# A case takes at most 100 s by the suite's own limits; longer silence means that it hangs.
STALL_SECONDS = 150
START_SECONDS = 30
STOP_SECONDS = 10


class Failure(Exception):
    """The run cannot go on."""


class Process:
    """A child whose output is read line by line and kept in a log; killed at the end of its `with`."""

    def __init__(self, command, log_path):
        self.name = str(command[0])
        self.lines = queue.Queue()
        self.child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        threading.Thread(target=self._read, args=(log_path,), daemon=True).start()

    def _read(self, log_path):
        with open(log_path, "w") as log:
            for line in self.child.stdout:
                log.write(line)
                log.flush()
                self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def next_line(self, timeout):
        """The next line of output, None at its end; raises queue.Empty after `timeout` seconds."""
        return self.lines.get(timeout=max(timeout, 0.01))

    def has_ended(self):
        return self.child.poll() is not None

    def terminate(self, grace=STOP_SECONDS):
        """Asks with TERM, insists with KILL; returns the exit status, negative for a signal."""
        if not self.has_ended():
            self.child.send_signal(signal.SIGTERM)
        try:
            return self.child.wait(grace)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.terminate()


class Server(Process):
    """An example server; it prints `listening on ADDR` once it accepts connections."""

    def wait_until_listening(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                line = self.next_line(deadline - time.monotonic())
            except queue.Empty:
                raise Failure(f"{self.name} did not say `listening on ADDR` in {START_SECONDS} s") from None
            if line is None:
                raise Failure(f"{self.name} ended with status {self.child.wait()} before it listened")
            match = re.match(r"listening on (\S+)", line)
            if match:
                self.address = match.group(1)
                return

    def stop(self):
        """Ends the server; returns what was wrong about its end, as a list of sentences."""
        if self.has_ended():
            return [f"the server ended by itself with status {self.child.returncode}"]
        status = self.terminate()
        return [] if status == 0 else [f"the server ended with status {status} upon SIGTERM"]


def start_server(binary, arguments, log_path):
    server = Server([binary, "--listen", "127.0.0.1:0", *arguments], log_path)
    try:
        server.wait_until_listening()
    except Failure:
        server.terminate()
        raise
    return server


class Wstest(Process):
    """One run of the suite. TERM ends its fuzzing server; it does not heed INT."""

    def __init__(self, command, mode, spec, reports, say):
        spec_path = reports / "spec.json"
        spec_path.write_text(json.dumps(spec, indent=2))
        self.say = say
        self.case_count = 0
        arguments = ["--mode", mode, "--spec", str(spec_path), "--webport", "0"]
        super().__init__([*command, *arguments], reports / "wstest.log")

    def wait_for_end(self, watch, deadline):
        """Follows the fuzzing client until it has written its reports."""
        self._follow(watch, self, deadline)
        status = self.child.wait()
        if status != 0:
            raise Failure(f"wstest ended with status {status}, see wstest.log")

    def wait_for_port(self, port):
        deadline = time.monotonic() + START_SECONDS
        while True:
            if self.has_ended():
                raise Failure("wstest ended before it listened, see wstest.log")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise Failure(f"wstest did not listen on port {port} in {START_SECONDS} s") from None
                time.sleep(0.1)

    def run_client(self, binary, arguments, log_path, deadline):
        """Runs a client under test to its end; it asks for the reports as its last act."""
        with Process([binary, *arguments], log_path) as client:
            self._follow(self, client, deadline)
            status = client.child.wait(STOP_SECONDS)
            if status != 0:
                raise Failure(f"the client ended with status {status}, see client.log")

    def _follow(self, watch, until_ended, deadline):
        """Reads the suite's output until `until_ended` is over, or `watch` died, or all stands still."""
        now = time.monotonic()
        end, progress = now + deadline, now
        while True:
            try:
                line = self.next_line(0.2)
            except queue.Empty:
                line = ""
            now = time.monotonic()
            if line is not None and line.startswith("Running test case ID "):
                progress = now
                self.case_count += 1
                if self.case_count % 50 == 0:
                    self.say(f"{self.case_count} cases so far, now {line.split()[4]}")
            if until_ended.has_ended() and not line:
                return
            if watch.has_ended():
                raise Failure(f"{watch.name} ended with status {watch.child.returncode} during the run")
            if now > end:
                raise Failure(f"not done after {deadline:.0f} s and {self.case_count} cases")
            if now > progress + STALL_SECONDS:
                raise Failure(f"no case was begun for {STALL_SECONDS} s, after {self.case_count} cases")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
