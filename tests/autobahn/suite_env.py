"""Installs the Autobahn suite, once, where a Python 2.7 can run it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
# The last virtualenv that can make environments for Python 2.7.
VIRTUALENV = "virtualenv<20.22"
DOCKER_IMAGE = "python:2.7"
# The suite binds to every address, whatever its spec's URL says; this keeps it on the loopback.
LAUNCHER = (
    "import functools; from autobahntestsuite import wstest; fuzzing = wstest.fuzzing;"
    " fuzzing.listenWS = functools.partial(fuzzing.listenWS, interface='127.0.0.1'); wstest.run()"
)


class NoPython27(Exception):
    """Neither an interpreter nor a Docker engine that could give one."""


def wstest_command(env):
    """The argument vector that starts `wstest`, installing it into `env` when it is not there."""
    interpreter = find_python27()
    if interpreter:
        install(env, lambda: install_with(interpreter, env))
        return [str(env / "py27/bin/python"), "-u", "-c", LAUNCHER]
    if docker_is_usable():
        install(env, lambda: install_in_docker(env))
        return docker(env.parents[1]) + ["-e", f"PYTHONPATH={env / 'site'}", DOCKER_IMAGE, "python", "-u", "-c", LAUNCHER]
    raise NoPython27(
        "the suite needs Python 2.7. Put `python2.7` on PATH, or `pyenv install 2.7.18`, or start a Docker engine."
    )


def find_python27():
    """An interpreter that runs; a pyenv shim is on PATH even where its version is not active."""
    candidates = [shutil.which("python2.7"), shutil.which("python2")]
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += sorted(pyenv.glob("versions/2.7*/bin/python2.7"))
    for candidate in filter(None, candidates):
        probe = [str(candidate), "-c", "import sys, ssl; sys.exit(sys.version_info[:2] != (2, 7))"]
        if subprocess.run(probe, capture_output=True).returncode == 0:
            return str(candidate)
    return None


def docker_is_usable():
    return bool(shutil.which("docker")) and run_quietly(["docker", "version", "-f", "{{.Server.Version}}"], check=False)


def install(env, steps):
    """Runs `steps` unless they ended well before with the same requirements."""
    stamp = env / "installed.txt"
    if stamp.exists() and stamp.read_text() == REQUIREMENTS.read_text():
        return
    print(f"autobahn: installing the suite into {env} (about a minute)", file=sys.stderr, flush=True)
    shutil.rmtree(env, ignore_errors=True)
    env.mkdir(parents=True)
    steps()
    stamp.write_text(REQUIREMENTS.read_text())


def install_with(interpreter, env):
    run_quietly([sys.executable, "-m", "venv", str(env / "maker")])
    run_quietly([str(env / "maker/bin/pip"), "install", VIRTUALENV])
    run_quietly([str(env / "maker/bin/virtualenv"), "-p", interpreter, str(env / "py27")])
    run_quietly([str(env / "py27/bin/pip"), "install", "-r", str(REQUIREMENTS)])


def install_in_docker(env):
    shutil.copy(REQUIREMENTS, env / "requirements.txt")
    pip = ["pip", "install", "--no-cache-dir", "--target", str(env / "site"), "-r", str(env / "requirements.txt")]
    run_quietly(docker(env) + ["-e", f"HOME={env}", DOCKER_IMAGE] + pip)


def docker(directory):
    """`docker run` with the host's network, which loopback tests need, and the caller's ownership."""
    user = f"{os.getuid()}:{os.getgid()}"
    mount = f"{directory}:{directory}"
    return ["docker", "run", "--rm", "--init", "--network", "host", "--user", user, "-v", mount, "-w", str(directory)]


def run_quietly(command, check=True):
    """Runs `command`; its output is shown only where it fails and `check` is set."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if check and done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise SystemExit(f"autobahn: {' '.join(command)} ended with status {done.returncode}")
    return done.returncode == 0
