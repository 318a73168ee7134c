"""permessage-deflate, as the `websockets` library speaks it."""

import json

import pytest
from example_server import HANDLER_MODES, PATIENCE_SECONDS, ExampleServer, describe
from test_feed import JSON_SUBPROTOCOL, Session
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import connect

MODES = [(handlers, deflate) for handlers in HANDLER_MODES for deflate in ["shared", "dedicated"]]
OFFERS = {
    "defaults": {},
    "what browsers offer": {"client_max_window_bits": True},
    "no context of the server's": {"server_no_context_takeover": True},
    "no context of the client's": {"client_no_context_takeover": True},
    "short windows": {"server_max_window_bits": 9, "client_max_window_bits": 9},
    "everything": {
        "server_no_context_takeover": True,
        "client_no_context_takeover": True,
        "server_max_window_bits": 10,
        "client_max_window_bits": 12,
    },
}


@pytest.fixture(scope="module", params=MODES, ids="-".join)
def compressing_echo(request):
    handlers, deflate = request.param
    with ExampleServer("echo", handlers, ["--deflate", deflate]) as server:
        yield server


def open_compressed(server, **parameters):
    factory = ClientPerMessageDeflateFactory(**parameters)
    return connect(server.url(), max_size=None, ping_interval=None, compression=None, extensions=[factory])


@pytest.mark.parametrize("name", OFFERS)
def test_messages_come_back_whatever_was_offered(compressing_echo, name):
    with open_compressed(compressing_echo, **OFFERS[name]) as ws:
        assert ws.protocol.extensions, "the server did not agree"
        for turn in range(3):
            for message in ["", "short", "again and again " * 40, "again and again " * 4000, bytes(100_000), b"\x00\xff" * 77]:
                ws.send(message)
                received = ws.recv(PATIENCE_SECONDS)
                assert received == message, f"{turn}: {describe(received)} is not {describe(message)}"


def test_fragments_come_back_as_one_message(compressing_echo):
    fragments = ["one and one ", "", "two and two ", "three and three"] * 20
    with open_compressed(compressing_echo) as ws:
        for _ in range(3):
            ws.send(fragments)
            assert ws.recv(PATIENCE_SECONDS) == "".join(fragments)


def test_who_offers_nothing_gets_nothing(compressing_echo):
    with connect(compressing_echo.url(), compression=None) as ws:
        assert not ws.protocol.extensions
        ws.send("plain " * 100)
        assert ws.recv(PATIENCE_SECONDS) == "plain " * 100


@pytest.mark.parametrize("subprotocols", [[JSON_SUBPROTOCOL], []], ids=["json", "none"])
def test_the_feed_comes_compressed(feed, subprotocols):
    with Session(feed, compression="deflate", subprotocols=subprotocols or None) as session:
        assert session.ws.protocol.extensions, "the feed compresses by itself"
        for channel in ["ticker", "trades", "book"]:
            assert session.subscribe(channel, ["BTC-USD"]) == ["BTC-USD"]
        for kind in ["ticker", "trade", "snapshot", "delta"]:
            message = session.next(kind)
            assert json.dumps(message).count("BTC-USD") == 1
