"""The echo example through the `websockets` library."""

import asyncio
import random
import threading

import pytest
from example_server import PATIENCE_SECONDS, describe
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

MAX_MESSAGE_LEN = 64 << 20
MESSAGES = {
    "empty text": "",
    "text": "hello",
    "text of many scripts": "grüße, κόσμε, 世界, 🌍",
    "text of 64 KiB": "ж" * (32 << 10),
    "empty binary": b"",
    "all bytes": bytes(range(256)),
    "125 bytes": b"x" * 125,
    "126 bytes": b"x" * 126,
    "65535 bytes": b"x" * 65535,
    "64 KiB": b"x" * 65536,
    "16 MiB": random.Random(1).randbytes(16 << 20),
    "the longest allowed": bytes(MAX_MESSAGE_LEN),
}


def open_echo(echo, **options):
    return connect(echo.url(), max_size=None, ping_interval=None, **{"compression": None, **options})


def assert_same(received, sent):
    assert type(received) is type(sent)
    assert received == sent, f"{describe(received)} is not {describe(sent)}"


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_comes_back_as_it_was_sent(echo, name):
    with open_echo(echo) as ws:
        ws.send(MESSAGES[name])
        assert_same(ws.recv(PATIENCE_SECONDS), MESSAGES[name])


def test_a_message_over_the_limit_is_refused_with_1009(echo):
    with open_echo(echo) as ws:
        # The server may cut the connection while this is still being sent.
        with pytest.raises(ConnectionClosed) as closed:
            ws.send(bytes(MAX_MESSAGE_LEN + 1))
            ws.recv(PATIENCE_SECONDS)
        assert closed.value.rcvd is not None, "no close frame came"
        assert closed.value.rcvd.code == 1009


@pytest.mark.parametrize(
    "fragments",
    [
        ["hel", "lo"],
        ["", "a", "", "b", ""],
        [b"ab", b"", b"cd"],
        [bytes([i % 256]) * 1000 for i in range(300)],
    ],
    ids=["text", "empty fragments", "binary", "300 fragments"],
)
def test_fragments_come_back_as_one_message(echo, fragments):
    with open_echo(echo) as ws:
        ws.send(fragments)
        assert_same(ws.recv(PATIENCE_SECONDS), fragments[0][:0].join(fragments))


def test_a_ping_between_fragments_is_answered_before_the_message(echo):
    pongs = []

    def fragments(ws):
        yield "before "
        pong = ws.ping(b"between")
        pongs.append(pong.wait(PATIENCE_SECONDS))
        yield "after"

    with open_echo(echo) as ws:
        ws.send(fragments(ws))
        assert ws.recv(PATIENCE_SECONDS) == "before after"
    assert pongs == [True]


@pytest.mark.parametrize("payload", [b"", b"x", bytes(125)], ids=len)
def test_a_pong_repeats_the_pings_payload(echo, payload):
    with open_echo(echo) as ws:
        # The library pairs a pong with its ping by the payload.
        assert ws.ping(payload).wait(PATIENCE_SECONDS)


def test_an_unsolicited_pong_is_ignored(echo):
    with open_echo(echo) as ws:
        ws.pong(b"nobody asked")
        ws.send("still there")
        assert ws.recv(PATIENCE_SECONDS) == "still there"


def test_pipelined_messages_come_back_in_order(echo):
    messages = [f"{i}:{'x' * (i % 700)}" for i in range(5000)]
    with open_echo(echo) as ws:
        sender = threading.Thread(target=lambda: [ws.send(message) for message in messages])
        sender.start()
        for message in messages:
            assert_same(ws.recv(PATIENCE_SECONDS), message)
        sender.join()


def test_a_client_that_offers_compression_is_served(echo):
    with open_echo(echo, compression="deflate") as ws:
        for message in ["compress me " * 1000, b"\x00" * 100_000, ""]:
            ws.send(message)
            assert_same(ws.recv(PATIENCE_SECONDS), message)


def test_200_connections_at_once_each_get_their_own(echo):
    async def session(number, all_open):
        async with connect_async(echo.url(), compression=None, open_timeout=PATIENCE_SECONDS) as ws:
            await all_open.wait()
            for turn in range(20):
                message = f"connection {number}, turn {turn}"
                await ws.send(message)
                assert await ws.recv() == message

    async def all_sessions():
        # Nobody sends before all are open.
        all_open = Gate(200)
        sessions = asyncio.gather(*(session(number, all_open) for number in range(200)))
        await asyncio.wait_for(sessions, 3 * PATIENCE_SECONDS)

    asyncio.run(all_sessions())


class Gate:
    """Opens when `count` tasks wait at it."""

    def __init__(self, count):
        self.missing = count
        self.open = asyncio.Event()

    async def wait(self):
        self.missing -= 1
        if self.missing == 0:
            self.open.set()
        await self.open.wait()
