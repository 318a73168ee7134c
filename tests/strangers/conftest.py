import pytest
from example_server import HANDLER_MODES, ExampleServer


@pytest.fixture(scope="module", params=HANDLER_MODES)
def echo(request):
    with ExampleServer("echo", request.param) as server:
        yield server


@pytest.fixture(scope="module", params=HANDLER_MODES)
def broadcast(request):
    with ExampleServer("broadcast", request.param) as server:
        yield server


@pytest.fixture(scope="module", params=HANDLER_MODES)
def feed(request):
    with ExampleServer("market_feed", request.param) as server:
        yield server
