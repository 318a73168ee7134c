"""How connections end: in order, by a client's fault, and by surprise."""

import struct

import pytest
from example_server import PATIENCE_SECONDS
from raw_client import BINARY, CLOSE, PING, TEXT, RawClient, close_frame, frame
from websockets.sync.client import connect


@pytest.fixture
def raw(echo):
    with RawClient(echo.address) as client:
        client.upgrade()
        yield client


@pytest.mark.parametrize("code, reason", [(1000, ""), (1000, "done"), (1001, "tab closed"), (3000, "x" * 123), (4999, "é")])
def test_a_clients_close_is_answered_with_its_code(echo, code, reason):
    with connect(echo.url(), compression=None) as ws:
        ws.close(code, reason)
        assert ws.protocol.close_rcvd is not None, "no close frame came"
        assert ws.protocol.close_rcvd.code == code


def test_replies_to_earlier_messages_come_before_the_close(raw):
    raw.send(b"".join(frame(TEXT, b"%d" % i) for i in range(100)) + close_frame(1000))
    assert [raw.read_frame() for _ in range(100)] == [(TEXT, b"%d" % i) for i in range(100)]
    assert raw.read_close_code() == 1000


def test_a_close_without_a_code_is_answered(raw):
    raw.send(frame(CLOSE))
    assert raw.read_close_code() in (None, 1000)


def test_nothing_behind_a_close_is_answered(raw):
    raw.send(close_frame(1000) + frame(TEXT, b"too late") + frame(PING, b"too late"))
    assert raw.read_close_code() == 1000


FAULTS = {
    "unmasked frame": (frame(TEXT, b"x", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"x", rsv=1), 1002),
    "reserved data opcode": (frame(3, b"x"), 1002),
    "reserved control opcode": (frame(11, b"x"), 1002),
    "ping of 126 bytes": (frame(PING, bytes(126)), 1002),
    "ping in fragments": (frame(PING, b"x", fin=False), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "message within a message": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
    "length with its top bit set": (b"\x82\xff" + b"\xff" * 8 + b"mask", 1002),
    "length in more bytes than needed": (b"\x82\xfe\x00\x05mask12345", 1002),
    "text that is no UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "text that ends in a character": (frame(TEXT, "€".encode()[:2]), 1007),
    "surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007),
    "close payload of one byte": (frame(CLOSE, b"\x03"), 1002),
    "close with 1005": (close_frame(1005), 1002),
    "close with 1006": (close_frame(1006), 1002),
    "close with 999": (close_frame(999), 1002),
    "close reason that is no UTF-8": (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    "declared length over the limit": (b"\x82\xff" + struct.pack("!Q", 1 << 40) + b"mask", 1009),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_answered_with_its_code(raw, fault):
    data, code = FAULTS[fault]
    raw.send(data)
    assert raw.read_close_code() == code


def test_invalid_text_fails_before_its_message_is_complete(raw):
    raw.send(frame(TEXT, b"good so far", fin=False) + frame(0, b"\xff", fin=False))
    assert raw.read_close_code() == 1007


def test_a_message_before_a_fault_is_still_answered(raw):
    raw.send(frame(BINARY, b"first") + frame(3))
    assert raw.read_frame() == (BINARY, b"first")
    assert raw.read_close_code() == 1002


def test_a_character_split_between_fragments_is_whole_again(raw):
    euro = "€".encode()
    raw.send(frame(TEXT, euro[:1], fin=False))
    raw.send(frame(0, euro[1:2], fin=False) + frame(0, euro[2:]))
    assert raw.read_frame() == (TEXT, euro)


def test_a_frame_may_arrive_byte_by_byte(raw):
    for byte in frame(TEXT, b"slowly"):
        raw.send(bytes([byte]))
    assert raw.read_frame() == (TEXT, b"slowly")


def test_resets_leave_the_server_well(echo):
    for behind_handshake in [b"", frame(TEXT, b"x" * 100)[:50], frame(BINARY, bytes(100_000)), frame(TEXT, b"x", fin=False)]:
        for _ in range(10):
            client = RawClient(echo.address)
            client.upgrade()
            client.send(behind_handshake)
            client.reset()
    with connect(echo.url(), compression=None) as ws:
        ws.send("still there")
        assert ws.recv(PATIENCE_SECONDS) == "still there"
