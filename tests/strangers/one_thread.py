"""A client for TLS that lives in one thread.

`websockets.sync` reads in a thread of its own. Python's `ssl` (3.11 for one) lets two threads into one
OpenSSL connection without a lock: what one of them writes while the other reads session tickets may
never reach the socket.
"""

import asyncio
from contextlib import contextmanager

from example_server import PATIENCE_SECONDS
from websockets.asyncio.client import connect as connect_async


class Client:
    """A connection and the event loop that it needs, which runs only within a call."""

    def __init__(self, loop, ws):
        self.loop, self.ws = loop, ws

    def send(self, message):
        self.loop.run_until_complete(asyncio.wait_for(self.ws.send(message), PATIENCE_SECONDS))

    def recv(self):
        return self.loop.run_until_complete(asyncio.wait_for(self.ws.recv(), PATIENCE_SECONDS))

    @property
    def tls_version(self):
        return self.ws.transport.get_extra_info("ssl_object").version()


@contextmanager
def connect(url, **options):
    """Connects as `websockets` does with the same options; closes at the end."""
    loop = asyncio.new_event_loop()
    try:
        ws = loop.run_until_complete(connect_async(url, open_timeout=PATIENCE_SECONDS, **options))
        try:
            yield Client(loop, ws)
        finally:
            loop.run_until_complete(ws.close())
    finally:
        loop.close()
