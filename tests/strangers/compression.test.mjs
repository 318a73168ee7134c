// permessage-deflate, as the `ws` package speaks it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Client } from "./client.mjs";
import { ExampleServer, HANDLER_MODES } from "./example_server.mjs";

const OFFERS = {
  "defaults": {},
  "no contexts": { serverNoContextTakeover: true, clientNoContextTakeover: true },
  "short windows": { serverMaxWindowBits: 9, clientMaxWindowBits: 9 },
};
const MESSAGES = ["", "short", "again and again ".repeat(40), "again and again ".repeat(4000), Buffer.alloc(100_000)];

for (const mode of Object.keys(HANDLER_MODES)) {
  for (const deflate of ["shared", "dedicated"]) {
    describe(`compression, ${mode}, ${deflate}`, () => {
      let server;
      before(async () => {
        server = await ExampleServer.start("echo", mode, ["--deflate", deflate]);
      });
      after(() => server.stop());

      for (const [name, offer] of Object.entries(OFFERS)) {
        test(`messages come back: ${name}`, async () => {
          const perMessageDeflate = { threshold: 0, ...offer };
          const client = await Client.open(server.url(), [], { perMessageDeflate });
          assert.match(client.socket.extensions, /^permessage-deflate/);
          for (const message of [...MESSAGES, ...MESSAGES]) {
            client.send(message);
            assert.deepEqual(await client.receive(), message);
          }
          for (const message of MESSAGES) client.send(message);
          for (const message of MESSAGES) assert.deepEqual(await client.receive(), message);
          assert.equal((await client.close(1000)).code, 1000);
        });
      }
    });
  }
}
