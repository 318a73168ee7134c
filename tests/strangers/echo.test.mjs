// The echo example through the `ws` package.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { Client, withPatience } from "./client.mjs";
import { ExampleServer, HANDLER_MODES } from "./example_server.mjs";

const MESSAGES = {
  "empty text": "",
  "text of many scripts": "grüße, κόσμε, 世界, 🌍",
  "empty binary": Buffer.alloc(0),
  "125 bytes": randomBytes(125),
  "126 bytes": randomBytes(126),
  "65535 bytes": randomBytes(65535),
  "64 KiB": randomBytes(65536),
  "text of 64 KiB": "x".repeat(65536),
  "16 MiB": randomBytes(16 << 20),
};

for (const mode of Object.keys(HANDLER_MODES)) {
  describe(`echo, ${mode}`, () => {
    let server;
    before(async () => {
      server = await ExampleServer.start("echo", mode);
    });
    after(() => server.stop());

    for (const [name, message] of Object.entries(MESSAGES)) {
      test(`${name} comes back as it was sent`, async () => {
        const client = await Client.open(server.url());
        client.send(message);
        assertSame(await client.receive(), message);
        assert.equal((await client.close(1000)).code, 1000);
      });
    }

    test("compression may be offered", async () => {
      const client = await Client.open(server.url(), [], { perMessageDeflate: { threshold: 0 } });
      for (const message of ["compress me ".repeat(1000), Buffer.alloc(100_000), ""]) {
        client.send(message);
        assertSame(await client.receive(), message);
      }
      await client.close(1000);
    });

    test("fragments come back as one message, with a ping between them", async () => {
      const client = await Client.open(server.url());
      const pong = once(client.socket, "pong");
      client.send("one ", { fin: false });
      client.socket.ping("between");
      client.send("two ", { fin: false });
      client.send("", { fin: false });
      client.send("three", { fin: true });
      assert.equal((await withPatience("the pong", pong))[0].toString(), "between");
      assert.equal(await client.receive(), "one two three");
      await client.close(1000);
    });

    test("pongs repeat the pings' payloads, in order", async () => {
      const client = await Client.open(server.url());
      const pongs = [];
      const all = new Promise((resolve) => {
        client.socket.on("pong", (data) => {
          pongs.push(data.toString());
          if (pongs.length === 3) resolve();
        });
      });
      for (const payload of ["", "a", "x".repeat(125)]) client.socket.ping(payload);
      await withPatience("the pongs", all);
      assert.deepEqual(pongs, ["", "a", "x".repeat(125)]);
      await client.close(1000);
    });

    for (const [code, reason] of [[1000, ""], [1001, "page left"], [3999, "x".repeat(123)], [4000, "é"]]) {
      test(`a close with ${code} is answered with it`, async () => {
        const client = await Client.open(server.url());
        assert.equal((await client.close(code, reason)).code, code);
      });
    }

    test("text that is no UTF-8 ends the connection with 1007", async () => {
      const client = await Client.open(server.url());
      client.send(Buffer.from([0x68, 0xc3, 0x28]), { binary: false });
      assert.equal((await withPatience("the close", client.closed)).code, 1007);
    });

    test("a message over 64 MiB ends the connection with 1009", async () => {
      const client = await Client.open(server.url());
      client.send(Buffer.alloc((64 << 20) + 1));
      assert.equal((await withPatience("the close", client.closed)).code, 1009);
    });

    test("pipelined messages of all sizes come back in order", async () => {
      const client = await Client.open(server.url());
      const messages = Array.from({ length: 3000 }, (_, i) => `${i}:${"x".repeat((i * 37) % 3000)}`);
      for (const message of messages) client.send(message);
      for (const message of messages) assertSame(await client.receive(), message);
      await client.close(1000);
    });

    test("200 connections at once each get their own", async () => {
      const clients = await Promise.all(Array.from({ length: 200 }, () => Client.open(server.url())));
      await Promise.all(
        clients.map(async (client, number) => {
          for (let turn = 0; turn < 20; turn++) {
            client.send(`connection ${number}, turn ${turn}`);
            assert.equal(await client.receive(), `connection ${number}, turn ${turn}`);
          }
        }),
      );
      await Promise.all(clients.map((client) => client.close(1000)));
    });

    test("a subprotocol that the server does not know is not chosen", async () => {
      // `ws` gives up on a server that ignores its offer; that it did is what shows in the error.
      const client = new Client(server.url(), ["chat.unknown"]);
      const [error] = await once(client.socket, "error");
      assert.match(error.message, /no subprotocol/);
    });
  });
}

for (const mode of Object.keys(HANDLER_MODES)) {
  test(`broadcast, ${mode}: what one client sends reaches all`, async () => {
    const server = await ExampleServer.start("broadcast", mode);
    const clients = [];
    for (let number = 0; number < 10; number++) {
      clients.push(await Client.open(server.url()));
      // One that has heard itself is subscribed.
      clients[number].send(`client ${number} is here`);
      for (const client of clients) assert.equal(await client.receive(), `client ${number} is here`);
    }
    for (const message of ["hello", randomBytes(1000), "", "x".repeat(100_000)]) {
      clients[3].send(message);
      for (const client of clients) assertSame(await client.receive(), message);
    }
    await Promise.all(clients.map((client) => client.close(1000)));
    await server.stop();
  });
}

for (const signal of ["SIGINT", "SIGTERM"]) {
  test(`${signal} closes connections with 1001`, async () => {
    const server = await ExampleServer.start("echo");
    const clients = await Promise.all(Array.from({ length: 5 }, () => Client.open(server.url())));
    await server.stop(signal);
    for (const client of clients) assert.equal((await withPatience("the close", client.closed)).code, 1001);
  });
}

// `deepEqual` of megabytes takes minutes to say what differs.
function assertSame(received, sent) {
  assert.equal(typeof received, typeof sent);
  assert.ok(Buffer.from(received).equals(Buffer.from(sent)), `${received.length} bytes differ from the ${sent.length} sent`);
}
