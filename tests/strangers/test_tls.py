"""Servers over TLS through OpenSSL's eyes: Python's ssl, the `websockets` library, curl, `openssl s_client`."""

import json
import random
import socket
import ssl
import subprocess

import pytest
from certificates import make_certificate, server_arguments, trusting_context
from example_server import HANDLER_MODES, PATIENCE_SECONDS, ExampleServer
from one_thread import connect

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module", params=HANDLER_MODES)
def echo(request):
    with ExampleServer("echo", request.param, server_arguments()) as server:
        yield server


def url(server, path="/"):
    return f"wss://localhost:{server.port}{path}"


def run(*command, input=None):
    done = subprocess.run(
        [str(part) for part in command], input=input, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("len", [0, 125, 126, 16_384, 65_536, 1 << 20, 16 << 20])
def test_messages_come_back_over_either_version(echo, version, len):
    message = random.Random(len).randbytes(len)
    options = {"max_size": None, "compression": None, "ssl": trusting_context(version)}
    with connect(url(echo), **options) as ws:
        ws.send(message)
        assert ws.recv() == message
        assert ws.tls_version == {VERSIONS[0]: "TLSv1.2", VERSIONS[1]: "TLSv1.3"}[version]


def test_a_client_that_does_not_know_the_issuer_refuses(echo):
    with pytest.raises(ssl.SSLCertVerificationError):
        with connect(url(echo), ssl=ssl.create_default_context()):
            pass


@pytest.mark.parametrize("version", VERSIONS)
def test_sessions_are_resumed(echo, version):
    context = trusting_context(version)
    session = None
    for expected in [False, True]:
        plain = socket.create_connection(echo.address, PATIENCE_SECONDS)
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as tls:
            assert tls.session_reused == expected
            # Tickets come before the first answer.
            tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert tls.recv(12) == b"HTTP/1.1 426"
            session = tls.session


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stream_ends_with_a_goodbye(echo, version):
    plain = socket.create_connection(echo.address, PATIENCE_SECONDS)
    with trusting_context(version).wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as tls:
        tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        received = b""
        # Without a close_notify this would raise SSLEOFError.
        while piece := tls.recv(4096):
            received += piece
        assert received.startswith(b"HTTP/1.1 426")


def test_curl_gets_the_page_of_the_market_feed():
    with ExampleServer("market_feed", arguments=server_arguments()) as feed:
        base = f"https://localhost:{feed.port}"
        status, page, error = run("curl", "--silent", "--show-error", "--cacert", make_certificate()[0], base)
        assert status == 0, error
        assert "<html" in page
        status, _, _ = run("curl", "--silent", base)
        assert status == 60, "an issuer that curl does not know"
        with connect(f"wss://localhost:{feed.port}/ws", ssl=trusting_context(), max_size=None) as ws:
            ws.send(json.dumps({"op": "subscribe", "channel": "ticker", "symbols": ["*"]}))
            assert ws.recv()


def test_plain_http_is_told_to_speak_tls(echo):
    status, answer, _ = run("curl", "--silent", "--include", f"http://127.0.0.1:{echo.port}/")
    assert status == 0
    assert answer.startswith("HTTP/1.1 400") and "wss://" in answer


@pytest.mark.parametrize("flag", ["-tls1_2", "-tls1_3"])
def test_s_client_is_content(echo, flag):
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{echo.port}", "-servername", "localhost"]
    command += ["-CAfile", make_certificate()[0], "-verify_return_error", "-alpn", "h2,http/1.1", flag, "-ign_eof"]
    request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    status, output, error = run(*command, input=request)
    assert status == 0, error
    assert "Verify return code: 0 (ok)" in output
    assert "ALPN protocol: http/1.1" in output
    assert "HTTP/1.1 426" in output


@pytest.mark.parametrize("flag", ["-tls1", "-tls1_1"])
def test_versions_of_yesterday_are_refused(echo, flag):
    status, _, error = run(
        "openssl", "s_client", "-connect", f"127.0.0.1:{echo.port}", flag, "-cipher", "ALL:@SECLEVEL=0", input=""
    )
    assert status != 0
    # Or it does not even ask, for its own library is as strict.
    assert "alert" in error or "no protocols available" in error
