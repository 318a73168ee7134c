"""A signal ends a server in order, whoever is connected."""

import signal
import subprocess

import pytest
from example_server import EXAMPLES, HANDLER_MODES, PATIENCE_SECONDS, ExampleServer
from raw_client import CLOSE, RawClient
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

PATHS = {"echo": "/", "broadcast": "/", "market_feed": "/ws"}
every_server = pytest.mark.parametrize("name", PATHS)
every_mode = pytest.mark.parametrize("mode", HANDLER_MODES)


@every_server
@every_mode
@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_closes_connections_with_1001_and_ends_with_0(name, mode, signal_number):
    with ExampleServer(name, mode) as server:
        clients = [connect(server.url(PATHS[name]), compression=None) for _ in range(5)]
        for client in clients:
            assert client.ping().wait(PATIENCE_SECONDS)
        assert server.stop(signal_number) == 0
        for client in clients:
            with pytest.raises(ConnectionClosed) as closed:
                while True:  # The feed has said something before.
                    client.recv(PATIENCE_SECONDS)
            assert closed.value.rcvd is not None, "no close frame came"
            assert closed.value.rcvd.code == 1001


@every_server
@every_mode
def test_a_client_that_does_not_answer_holds_nothing_up(name, mode):
    with ExampleServer(name, mode) as server, RawClient(server.address) as silent, RawClient(server.address) as half_open:
        silent.upgrade(path=PATHS[name])
        half_open.send(b"GET / HTTP/1.1\r\nHost:")
        assert server.stop() == 0
        opcode, payload = silent.read_frame()
        while opcode != CLOSE:
            opcode, payload = silent.read_frame()
        assert payload[:2] == (1001).to_bytes(2, "big")


@every_server
def test_a_server_without_clients_ends(name):
    with ExampleServer(name) as server:
        assert server.stop(signal.SIGTERM) == 0


@every_server
def test_a_port_that_is_taken_is_reported(name):
    with ExampleServer(name) as server:
        done = subprocess.run(
            [EXAMPLES / name, "--listen", f"{server.host}:{server.port}"],
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode not in (0, 101), "it must fail, and not by a panic"
        assert "listening on" not in done.stdout
        assert done.stderr.strip(), "it must say why"
