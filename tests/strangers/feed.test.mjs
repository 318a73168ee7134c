// The market feed through the `ws` package: a session as a page or a bot would hold it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "./client.mjs";
import { crc32 } from "./crc32.mjs";
import { ExampleServer, HANDLER_MODES } from "./example_server.mjs";

const JSON_SUBPROTOCOL = "tickwire.feed.json.v1";
const BINARY_SUBPROTOCOL = "tickwire.feed.binary.v1";

for (const mode of Object.keys(HANDLER_MODES)) {
  describe(`market_feed, ${mode}`, () => {
    let server;
    before(async () => {
      server = await ExampleServer.start("market_feed", mode);
    });
    after(() => server.stop());

    for (const subprotocol of [JSON_SUBPROTOCOL, BINARY_SUBPROTOCOL]) {
      test(`${subprotocol} is chosen where it is offered`, async () => {
        const client = await Client.open(server.url("/ws"), ["unknown.v9", subprotocol]);
        assert.equal(client.socket.protocol, subprotocol);
        assert.equal((await client.receiveJson()).type, "welcome");
        await client.close(1000);
      });
    }

    test("a session: welcome, list, ticker, and a book with its checksums", async () => {
      const client = await Client.open(server.url("/ws"));
      const welcome = await client.receiveJson();
      assert.equal(welcome.type, "welcome");
      assert.equal(welcome.protocol, 1);

      client.send(JSON.stringify({ op: "list", id: "symbols please" }));
      const list = await client.receiveJson();
      assert.equal(list.type, "symbols");
      assert.equal(list.id, "symbols please");
      const symbol = list.symbols[0].symbol;

      client.send(JSON.stringify({ op: "subscribe", channel: "book", symbols: [symbol], id: 1 }));
      const answer = await client.receiveJson();
      assert.deepEqual(answer, { type: "subscribed", id: 1, channel: "book", symbols: [symbol] });
      let book;
      for (let count = 0; count < 100; count++) book = applyTo(book, await client.receiveJson());

      client.send(JSON.stringify({ op: "subscribe", channel: "ticker", symbols: [symbol], id: 2 }));
      let message;
      do {
        message = await client.receiveJson();
        if (message.type === "delta") book = applyTo(book, message);
        else assert.ok(["subscribed", "ticker"].includes(message.type), message.type);
      } while (message.type !== "ticker");
      assert.equal(message.symbol, symbol);
      assert.match(message.last, /^\d+(\.\d+)?$/);
      await client.close(1000);
    });

    test("20 clients hold the same book at the same sequence number", async () => {
      const books = await Promise.all(
        Array.from({ length: 20 }, async () => {
          const client = await Client.open(server.url("/ws"));
          await client.receiveJson();
          client.send(JSON.stringify({ op: "list" }));
          const [{ symbol }] = (await client.receiveJson()).symbols;
          client.send(JSON.stringify({ op: "subscribe", channel: "book", symbols: [symbol] }));
          assert.equal((await client.receiveJson()).type, "subscribed");
          const checksums = new Map();
          let book;
          for (let count = 0; count < 100; count++) {
            const message = await client.receiveJson();
            book = applyTo(book, message);
            checksums.set(message.seq, message.checksum);
          }
          await client.close(1000);
          return checksums;
        }),
      );
      let comparedCount = 0;
      for (const [seq, checksum] of books[0]) {
        for (const other of books.slice(1)) {
          if (!other.has(seq)) continue;
          assert.equal(other.get(seq), checksum);
          comparedCount++;
        }
      }
      assert.ok(comparedCount > 0, "the clients' streams must overlap");
    });

    test("a bad request is answered with an error and the session goes on", async () => {
      const client = await Client.open(server.url("/ws"));
      await client.receiveJson();
      client.send(JSON.stringify({ op: "subscribe", channel: "ticker", symbols: ["NO-SUCH"], id: 5 }));
      const error = await client.receiveJson();
      assert.deepEqual([error.type, error.code, error.id], ["error", "unknown_symbol", 5]);
      client.send(JSON.stringify({ op: "ping", t: [1, 2] }));
      assert.deepEqual((await client.receiveJson()).t, [1, 2]);
      await client.close(1000);
    });
  });
}

/** The book after a snapshot or a delta, whose place and checksum it asserts. */
function applyTo(book, message) {
  if (message.type === "snapshot") {
    book = { bids: new Map(), asks: new Map(), seq: message.seq };
  } else {
    assert.equal(message.type, "delta");
    assert.equal(message.seq, book.seq + 1);
    book.seq = message.seq;
  }
  for (const side of ["bids", "asks"]) {
    for (const [price, quantity] of message[side]) {
      if (Number(quantity) === 0) book[side].delete(price);
      else book[side].set(price, quantity);
    }
  }
  const best = (levels, sign) => [...levels].sort(([a], [b]) => sign * (Number(a) - Number(b))).slice(0, 10);
  const levels = [...best(book.bids, -1), ...best(book.asks, 1)];
  assert.equal(crc32(levels.map(([price, quantity]) => `${price}:${quantity}`).join(",")), message.checksum);
  return book;
}
