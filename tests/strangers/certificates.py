"""A certificate for servers on this machine, made for the run by the openssl program."""

import functools
import ssl
import subprocess
import tempfile
from pathlib import Path


@functools.cache
def make_certificate():
    """The paths of a certificate for 127.0.0.1 and localhost, which is its own authority, and of its key."""
    directory = Path(tempfile.mkdtemp(prefix="tickwire-tls-"))
    certificate, key = directory / "server.pem", directory / "server.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def server_arguments():
    """The flags of an example server that speaks TLS."""
    certificate, key = make_certificate()
    return ["--tls-cert", str(certificate), "--tls-key", str(key)]


def trusting_context(version=None):
    """Trusts that certificate, and speaks `version` alone if one is given."""
    context = ssl.create_default_context(cafile=make_certificate()[0])
    if version:
        context.minimum_version = context.maximum_version = version
    return context
