"""A WebSocket client of bytes, for what a well-behaved library cannot be made to send."""

import base64
import hashlib
import os
import socket
import struct

from example_server import PATIENCE_SECONDS

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KEY = base64.b64encode(bytes(range(16))).decode()
ACCEPT = base64.b64encode(hashlib.sha1(f"{KEY}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()


def upgrade_request(path="/", method="GET", version="HTTP/1.1", **changes):
    """The bytes of a good opening handshake; a header is changed by its name, or left out by None."""
    headers = {
        "Host": "127.0.0.1",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{method} {path} {version}"] + [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join(lines + ["", ""]).encode("latin-1")


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True):
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    mask_bit = 0x80 if masked else 0
    if len(payload) < 126:
        header = struct.pack("!BB", first, mask_bit | len(payload))
    elif len(payload) < 65536:
        header = struct.pack("!BBH", first, mask_bit | 126, len(payload))
    else:
        header = struct.pack("!BBQ", first, mask_bit | 127, len(payload))
    if not masked:
        return header + payload
    key = os.urandom(4)
    return header + key + bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))


def close_frame(code, reason=""):
    return frame(CLOSE, struct.pack("!H", code) + reason.encode())


class RawClient:
    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def upgrade(self, **changes):
        self.send(upgrade_request(**changes))
        status, headers = self.read_head()
        assert status == 101, (status, headers)
        return headers

    def send(self, data):
        self.socket.sendall(data)

    def read_head(self):
        """The status and the headers, names in lower case, of an HTTP response."""
        while b"\r\n\r\n" not in self.received:
            assert self._read_more(), f"the connection ended within a head: {self.received!r}"
        head, self.received = self.received.split(b"\r\n\r\n", 1)
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        return int(status_line.split(" ")[1]), headers

    def read_frame(self):
        """(opcode, payload) of the next frame, or None at the end of the connection."""
        while True:
            parsed = parse_frame(self.received)
            if parsed:
                opcode, payload, frame_len = parsed
                self.received = self.received[frame_len:]
                return opcode, payload
            if not self._read_more():
                assert not self.received, f"the connection ended within a frame: {self.received[:40]!r}"
                return None

    def read_close_code(self):
        """The code of the next frame, which must be a close frame and the last thing sent."""
        opcode, payload = self.read_frame()
        assert opcode == CLOSE, (opcode, payload[:40])
        assert self.read_frame() is None
        return struct.unpack("!H", payload[:2])[0] if payload else None

    def reset(self):
        """Ends the connection as a crash or a cut cable does, without a word of WebSocket."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _read_more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.received += data
        return bool(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()


def parse_frame(data):
    """(opcode, payload, length on the wire) of a whole server frame, or None while it is partial."""
    if len(data) < 2:
        return None
    assert not data[1] & 0x80, "a server must not mask (RFC 6455 section 5.1)"
    length, header_len = data[1] & 0x7F, 2
    if length == 126:
        header_len, length = 4, int.from_bytes(data[2:4], "big")
    elif length == 127:
        header_len, length = 10, int.from_bytes(data[2:10], "big")
    if len(data) < header_len + length:
        return None
    return data[0] & 0x0F, data[header_len : header_len + length], header_len + length
