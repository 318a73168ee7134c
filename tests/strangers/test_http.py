"""The opening handshake, and what is answered to requests that are none."""

import http.client

import pytest
from example_server import PATIENCE_SECONDS
from raw_client import ACCEPT, TEXT, RawClient, frame, upgrade_request

BAD_REQUESTS = {
    "plain GET": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 426),
    "no Upgrade": (upgrade_request(Upgrade=None), 426),
    "Upgrade to something else": (upgrade_request(Upgrade="h2c"), 426),
    "no Connection": (upgrade_request(Connection=None), 400),
    "POST": (upgrade_request(method="POST"), 405),
    "HTTP/1.0": (upgrade_request(version="HTTP/1.0"), 400),
    "HTTP/3.0": (upgrade_request(version="HTTP/3.0"), 505),
    "no key": (upgrade_request(Sec_WebSocket_Key=None), 400),
    "key of 15 bytes": (upgrade_request(Sec_WebSocket_Key="AAAAAAAAAAAAAAAAAAAA"), 400),
    "no version": (upgrade_request(Sec_WebSocket_Version=None), 426),
    "version 8": (upgrade_request(Sec_WebSocket_Version="8"), 426),
    "no Host": (upgrade_request(Host=None), 400),
    "bare line feeds": (upgrade_request().replace(b"\r\n", b"\n"), 400),
    "space before a colon": (upgrade_request(X="y").replace(b"X:", b"X :"), 400),
    "folded header": (upgrade_request(X="y\r\n z"), 400),
    "content": (upgrade_request(Content_Length="5") + b"hello", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), 400),
    "malformed extensions": (upgrade_request(Sec_WebSocket_Extensions="a=;;,"), 400),
    "head of 1 MiB": (upgrade_request(X="y" * (1 << 20)), 431),
    "ten thousand headers": (upgrade_request(**{f"X_{i}": "y" for i in range(10_000)}), 431),
}


@pytest.mark.parametrize("request_name", BAD_REQUESTS)
def test_a_bad_request_gets_its_status(echo, request_name):
    data, expected = BAD_REQUESTS[request_name]
    with RawClient(echo.address) as client:
        try:
            client.send(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # It may answer before all has arrived.
        status, headers = client.read_head()
    assert status == expected
    if status == 426:
        assert headers["upgrade"].lower() == "websocket"
    if "version" in request_name:
        assert headers["sec-websocket-version"] == "13"
    if status == 405:
        assert headers["allow"] == "GET"


GOOD_REQUESTS = {
    "as browsers send it": upgrade_request(Connection="keep-alive, Upgrade", Origin="https://example.com", Cookie="a=b; c=d"),
    "names and tokens in other cases": upgrade_request(Upgrade="WebSocket", Connection="upgrade").replace(b"Host", b"hOST"),
    "with a query": upgrade_request(path="/chat?room=1&name=%20x"),
    "with unknown extensions": upgrade_request(Sec_WebSocket_Extensions="x-unknown; a=1, x-other"),
    "with unknown subprotocols": upgrade_request(Sec_WebSocket_Protocol="chat, superchat"),
    "with many headers": upgrade_request(**{f"X_{i}": "y" * 50 for i in range(30)}),
}


@pytest.mark.parametrize("request_name", GOOD_REQUESTS)
def test_a_good_request_is_upgraded(echo, request_name):
    with RawClient(echo.address) as client:
        client.send(GOOD_REQUESTS[request_name])
        status, headers = client.read_head()
        assert status == 101
        assert headers["upgrade"].lower() == "websocket"
        assert headers["connection"].lower() == "upgrade"
        assert headers["sec-websocket-accept"] == ACCEPT
        # What the server does not know, or was not offered, it must not name.
        assert "sec-websocket-extensions" not in headers
        assert "sec-websocket-protocol" not in headers
        client.send(frame(TEXT, b"hello"))
        assert client.read_frame() == (TEXT, b"hello")


def test_a_request_may_arrive_byte_by_byte(echo):
    with RawClient(echo.address) as client:
        for byte in upgrade_request():
            client.send(bytes([byte]))
        assert client.read_head()[0] == 101


def test_a_frame_may_arrive_with_the_request(echo):
    with RawClient(echo.address) as client:
        client.send(upgrade_request() + frame(TEXT, b"impatient") + frame(TEXT, b"half")[:5])
        assert client.read_head()[0] == 101
        assert client.read_frame() == (TEXT, b"impatient")


def test_an_error_says_in_words_what_was_wrong(echo):
    connection = http.client.HTTPConnection(*echo.address, timeout=PATIENCE_SECONDS)
    connection.request("GET", "/")
    response = connection.getresponse()
    assert response.status == 426
    assert response.headers["Content-Type"].startswith("text/plain")
    assert b"WebSocket" in response.read()
    connection.close()
