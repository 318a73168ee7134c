"""The market feed as a stranger sees it: the page, the subprotocols, and a session of each channel."""

import http.client
import json
import re
import time
import zlib
from decimal import Decimal

import pytest
from example_server import PATIENCE_SECONDS
from websockets.sync.client import connect

JSON_SUBPROTOCOL = "tickwire.feed.json.v1"
BINARY_SUBPROTOCOL = "tickwire.feed.binary.v1"
DECIMAL = re.compile(r"-?\d+(\.\d+)?")


class Session:
    """A connection that answers by `id` and keeps the rest of what came for later."""

    def __init__(self, feed, **options):
        self.ws = connect(feed.url("/ws"), max_size=None, **{"compression": None, **options})
        self.pending = []
        self.last_id = 0
        self.welcome = json.loads(self.ws.recv(PATIENCE_SECONDS))

    def request(self, **fields):
        """Sends a request under a new id and returns the answer to it."""
        self.last_id += 1
        self.ws.send(json.dumps({**fields, "id": self.last_id}))
        return self.wait_for(lambda message: message.get("id") == self.last_id and message["type"] != "trade")

    def subscribe(self, channel, symbols):
        answer = self.request(op="subscribe", channel=channel, symbols=symbols)
        assert answer["type"] == "subscribed", answer
        assert answer["channel"] == channel
        return answer["symbols"]

    def next(self, *types):
        return self.wait_for(lambda message: message["type"] in types)

    def wait_for(self, is_wanted):
        """The first message that is wanted, in the order of arrival; the others stay."""
        for i, message in enumerate(self.pending):
            if is_wanted(message):
                return self.pending.pop(i)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            message = json.loads(self.ws.recv(PATIENCE_SECONDS))
            if is_wanted(message):
                return message
            self.pending.append(message)
        raise AssertionError(f"it did not come; what came: {self.pending[:10]}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ws.close()


@pytest.fixture
def session(feed):
    with Session(feed) as session:
        yield session


@pytest.fixture
def symbol(session):
    return session.request(op="list")["symbols"][0]


def fetch(feed, path):
    connection = http.client.HTTPConnection(*feed.address, timeout=PATIENCE_SECONDS)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def test_the_page_is_served(feed):
    response, body = fetch(feed, "/")
    assert response.status == 200
    assert response.headers["Content-Type"].startswith("text/html")
    assert b"<html" in body.lower()


def test_health_and_stats_are_json(feed):
    for path in ["/health", "/stats"]:
        response, body = fetch(feed, path)
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("application/json")
        fields = json.loads(body)
        assert isinstance(fields, dict)
        if path == "/health":
            assert fields["status"] == "ok"


def test_another_path_is_not_found(feed):
    assert fetch(feed, "/nothing-here")[0].status == 404


@pytest.mark.parametrize(
    "offered, chosen",
    [
        (None, [None]),
        ([JSON_SUBPROTOCOL], [JSON_SUBPROTOCOL]),
        ([BINARY_SUBPROTOCOL], [BINARY_SUBPROTOCOL]),
        (["unknown.v9", JSON_SUBPROTOCOL], [JSON_SUBPROTOCOL]),
        ([JSON_SUBPROTOCOL, BINARY_SUBPROTOCOL], [JSON_SUBPROTOCOL, BINARY_SUBPROTOCOL]),
    ],
)
def test_a_subprotocol_is_chosen_from_the_offer(feed, offered, chosen):
    with Session(feed, subprotocols=offered) as session:
        assert session.ws.subprotocol in chosen
        assert session.welcome["type"] == "welcome"


def test_the_welcome_says_what_there_is(session):
    welcome = session.welcome
    assert welcome["type"] == "welcome"
    assert welcome["protocol"] == 1
    assert re.fullmatch(r"tickwire market_feed/\d+\.\d+\.\d+\S*", welcome["server"])
    assert welcome["source"] == "simulator"
    assert {"ticker", "trades", "book"} <= set(welcome["channels"])
    assert abs(welcome["time"] / 1000 - time.time()) < 3600, "milliseconds since the epoch"


def test_symbols_are_listed(session):
    answer = session.request(op="list")
    assert answer["type"] == "symbols"
    assert answer["symbols"]
    for symbol in answer["symbols"]:
        assert symbol["symbol"] and symbol["name"]
        assert symbol["price_decimals"] >= 0 and symbol["quantity_decimals"] >= 0


@pytest.mark.parametrize("anything", [0, -1.5, "x", None, [1, {"a": "b"}], {"nested": [True]}, "é🌍\u0000\""])
def test_a_ping_is_echoed_with_any_json(session, anything):
    session.ws.send(json.dumps({"op": "ping", "t": anything, "id": anything}))
    answer = session.next("pong")
    assert answer["t"] == anything
    assert answer.get("id") == anything


ERRORS = {
    "not JSON": ("{", "bad_json"),
    "empty": ("", "bad_json"),
    "not an object": ("[]", None),
    "deeply nested": ("[" * 100_000, "bad_json"),
    "no op": ('{"id":7}', None),
    "unknown op": ('{"op":"fly","id":7}', "unknown_op"),
    "unknown channel": ('{"op":"subscribe","channel":"gossip","symbols":["*"],"id":7}', "unknown_channel"),
    "unknown symbol": ('{"op":"subscribe","channel":"ticker","symbols":["NO-SUCH"],"id":7}', "unknown_symbol"),
    "no channel": ('{"op":"subscribe","symbols":["*"],"id":7}', "bad_request"),
    "no symbols": ('{"op":"subscribe","channel":"ticker","id":7}', "bad_request"),
    "symbols of another type": ('{"op":"subscribe","channel":"ticker","symbols":17,"id":7}', "bad_request"),
    "raw without a replay": ('{"op":"subscribe","channel":"raw","symbols":["*"],"id":7}', "not_available"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_bad_request_is_explained_and_the_session_goes_on(session, name):
    request, code = ERRORS[name]
    session.ws.send(request)
    error = session.next("error")
    assert error["code"] == code or (code is None and error["code"] in {"bad_json", "bad_request", "unknown_op"}), error
    assert len(error["message"]) > 10
    if '"id":7' in request:
        assert error["id"] == 7
    assert session.request(op="ping", t=1)["type"] == "pong"


def test_what_was_not_subscribed_cannot_be_unsubscribed(session, symbol):
    answer = session.request(op="unsubscribe", channel="trades", symbols=[symbol["symbol"]])
    assert (answer["type"], answer["code"]) == ("error", "not_subscribed")


def test_the_ticker_comes_at_once_and_goes_on(session, symbol):
    name = symbol["symbol"]
    assert session.subscribe("ticker", [name]) == [name]
    previous = None
    for _ in range(5):
        ticker = session.next("ticker")
        assert ticker["symbol"] == name
        for field in ["last", "bid", "ask", "open", "high", "low"]:
            assert_decimals(ticker[field], symbol["price_decimals"])
        for field in ["bid_quantity", "ask_quantity"]:
            assert_decimals(ticker[field], symbol["quantity_decimals"])
        assert DECIMAL.fullmatch(ticker["volume"]) and DECIMAL.fullmatch(ticker["change"])
        assert Decimal(ticker["bid"]) < Decimal(ticker["ask"])
        assert Decimal(ticker["low"]) <= Decimal(ticker["last"]) <= Decimal(ticker["high"])
        if previous:
            assert ticker["seq"] > previous["seq"]
            assert ticker["time"] >= previous["time"]
        previous = ticker


def test_trades_of_all_symbols_come_without_a_gap(session):
    symbols = {symbol["symbol"]: symbol for symbol in session.request(op="list")["symbols"]}
    session.subscribe("trades", ["*"])
    last_seq = {}
    for _ in range(100):
        trade = session.next("trade")
        symbol = symbols[trade["symbol"]]
        assert trade["side"] in ("buy", "sell")
        assert_decimals(trade["price"], symbol["price_decimals"])
        assert_decimals(trade["quantity"], symbol["quantity_decimals"])
        assert Decimal(trade["quantity"]) > 0
        assert trade["seq"] == last_seq.get(trade["symbol"], trade["seq"] - 1) + 1
        last_seq[trade["symbol"]] = trade["seq"]


def test_a_book_rebuilt_from_deltas_has_the_feeds_checksum(session, symbol):
    session.subscribe("book", [symbol["symbol"]])
    book = Book(session.next("snapshot"), symbol)
    for _ in range(200):
        book.apply(session.next("delta"))


def test_two_clients_hold_the_same_book(feed, symbol):
    """One that joins later starts from another snapshot and must arrive at the same book."""
    with Session(feed) as early, Session(feed) as late:
        early.subscribe("book", [symbol["symbol"]])
        early_book = Book(early.next("snapshot"), symbol)
        for _ in range(20):
            early_book.apply(early.next("delta"))
        late.subscribe("book", [symbol["symbol"]])
        late_book = Book(late.next("snapshot"), symbol)
        for _ in range(20):
            late_book.apply(late.next("delta"))
        while early_book.seq < late_book.seq:
            early_book.apply(early.next("delta"))
        while late_book.seq < early_book.seq:
            late_book.apply(late.next("delta"))
        assert early_book.sides == late_book.sides


def test_a_book_can_be_subscribed_again(session, symbol):
    for _ in range(3):
        session.subscribe("book", [symbol["symbol"]])
        book = Book(session.next("snapshot"), symbol)
        book.apply(session.next("delta"))
        assert session.request(op="unsubscribe", channel="book", symbols=[symbol["symbol"]])["type"] == "unsubscribed"
        session.pending.clear()


def test_nothing_comes_behind_unsubscribed(session):
    session.subscribe("ticker", ["*"])
    session.next("ticker")
    answer = session.request(op="unsubscribe", channel="ticker", symbols=["*"])
    assert (answer["type"], answer["channel"]) == ("unsubscribed", "ticker")
    session.pending.clear()
    # Trades go on meanwhile, so there is something to wait for.
    session.subscribe("trades", ["*"])
    for _ in range(20):
        session.next("trade")
    assert [message for message in session.pending if message["type"] == "ticker"] == []


def test_the_binary_subprotocol_sends_data_as_binary_and_answers_as_text(feed):
    with Session(feed, subprotocols=[BINARY_SUBPROTOCOL]) as session:
        for number, channel in enumerate(["ticker", "trades", "book"]):
            session.ws.send(json.dumps({"op": "subscribe", "channel": channel, "symbols": ["*"], "id": number}))
        answers, binary_count = [], 0
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (len(answers) < 3 or binary_count < 100) and time.monotonic() < deadline:
            message = session.ws.recv(PATIENCE_SECONDS)
            if isinstance(message, str):
                answer = json.loads(message)
                # Everything of every market may be more than this client takes as it comes.
                if answer["type"] != "notice":
                    answers.append(answer)
            else:
                assert message, "a message has content"
                binary_count += 1
        assert [answer["type"] for answer in answers] == ["subscribed"] * 3
        assert [answer["id"] for answer in answers] == [0, 1, 2]
        assert binary_count >= 100


def assert_decimals(text, count):
    assert DECIMAL.fullmatch(text), text
    assert len(text.partition(".")[2]) == count, text


class Book:
    """A book as a client keeps it; every message must follow the one before and match its checksum."""

    def __init__(self, snapshot, symbol):
        self.symbol = symbol
        self.seq = snapshot["seq"]
        self.sides = {side: {Decimal(price): (price, quantity) for price, quantity in snapshot[side]} for side in ("bids", "asks")}
        assert [price for price, _ in snapshot["bids"]] == [price for price, _ in self.best("bids")], "best bid first"
        assert [price for price, _ in snapshot["asks"]] == [price for price, _ in self.best("asks")], "best ask first"
        self.check(snapshot)

    def apply(self, delta):
        assert delta["symbol"] == self.symbol["symbol"]
        assert delta["seq"] == self.seq + 1
        assert delta["bids"] or delta["asks"]
        self.seq = delta["seq"]
        for side, levels in self.sides.items():
            for price, quantity in delta[side]:
                assert_decimals(price, self.symbol["price_decimals"])
                assert_decimals(quantity, self.symbol["quantity_decimals"])
                if Decimal(quantity) == 0:
                    assert levels.pop(Decimal(price), None), f"removal of {price}, which is not there"
                else:
                    levels[Decimal(price)] = (price, quantity)
        self.check(delta)

    def check(self, message):
        bids, asks = self.best("bids"), self.best("asks")
        if bids and asks:
            assert Decimal(bids[0][0]) < Decimal(asks[0][0]), "the book is crossed"
        text = ",".join(f"{price}:{quantity}" for price, quantity in bids[:10] + asks[:10])
        assert zlib.crc32(text.encode()) == message["checksum"], text

    def best(self, side):
        return [self.sides[side][price] for price in sorted(self.sides[side], reverse=side == "bids")]
