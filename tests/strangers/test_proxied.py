"""Servers behind proxies that speak the PROXY protocol: HAProxy, which has invented it, and curl."""

import os
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest
from certificates import server_arguments, trusting_context
from example_server import HANDLER_MODES, PATIENCE_SECONDS, ExampleServer
from one_thread import connect

BEHIND_THIS_MACHINE = ["--behind", "127.0.0.0/8"]
TLS = {"plain": [], "tls": server_arguments()}

# What HAProxy puts into its header, on the `server` line.
HEADERS = {
    "version 1": "send-proxy",
    "version 2": "send-proxy-v2",
    "version 2 with a checksum and more": "send-proxy-v2 proxy-v2-options crc32c,authority,unique-id",
}


@pytest.fixture(scope="module", params=HANDLER_MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module", params=TLS)
def tls(request):
    return request.param


@pytest.fixture(scope="module")
def proxied(mode, tls):
    with ExampleServer("echo", mode, [*BEHIND_THIS_MACHINE, *TLS[tls]]) as server:
        yield server


@contextmanager
def haproxy(server, header, directory):
    """HAProxy before the server, with health checks; its port."""
    listener = socket.create_server(("127.0.0.1", 0))
    os.set_inheritable(listener.fileno(), True)
    config = directory / "haproxy.cfg"
    config.write_text(
        f"""
        defaults
            mode tcp
            timeout connect 5s
            timeout client 60s
            timeout server 60s
        frontend clients
            bind fd@{listener.fileno()}
            unique-id-format %[uuid()]
            default_backend servers
        backend servers
            server one {server.host}:{server.port} {header} check inter 100 check-send-proxy\n"""
    )
    child = subprocess.Popen(["haproxy", "-q", "-db", "-f", config], pass_fds=[listener.fileno()])
    try:
        yield listener.getsockname()[1]
        assert child.poll() is None, "HAProxy died"
    finally:
        child.kill()
        child.wait()
        listener.close()


@pytest.mark.parametrize("header", HEADERS)
def test_messages_come_back_through_haproxy(proxied, tls, header, tmp_path):
    with haproxy(proxied, HEADERS[header], tmp_path) as port:
        url = f"{'wss' if tls == 'tls' else 'ws'}://localhost:{port}/"
        options = {"ssl": trusting_context()} if tls == "tls" else {}
        for len in [0, 125, 65_536]:
            with connect(url, compression=None, **options) as ws:
                message = os.urandom(len)
                ws.send(message)
                assert ws.recv() == message
        # Its health checks (LOCAL in version 2) are taken too: the server would be down otherwise.
        time.sleep(0.5)
        with connect(url, compression=None, **options) as ws:
            ws.send("still there")
            assert ws.recv() == "still there"


def curl(server, tls, *arguments):
    scheme = "https" if tls == "tls" else "http"
    command = ["curl", "--silent", "--insecure", "--output", os.devnull, "--write-out", "%{http_code}", *arguments]
    done = subprocess.run(
        [*command, f"{scheme}://{server.host}:{server.port}/"], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    return done.stdout


def test_curl_with_a_header_is_served(proxied, tls):
    assert curl(proxied, tls, "--haproxy-protocol") == "426"


def test_curl_without_a_header_is_refused(proxied, tls):
    assert curl(proxied, tls) == "000"


def test_who_is_no_proxy_is_refused(mode, tls):
    with ExampleServer("echo", mode, ["--behind", "192.0.2.0/24", "--behind", "::1", *TLS[tls]]) as server:
        assert curl(server, tls, "--haproxy-protocol") == "000"
