// The echo example over TLS through `ws`, which speaks it by Node's own OpenSSL.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Client } from "./client.mjs";
import { ExampleServer, HANDLER_MODES } from "./example_server.mjs";

const directory = mkdtempSync(join(tmpdir(), "tickwire-tls-"));
const [certificate, key] = [join(directory, "server.pem"), join(directory, "server.key")];
execFileSync("openssl", [
  "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
  "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", certificate,
], { stdio: "ignore" });
after(() => rmSync(directory, { recursive: true }));

for (const mode of Object.keys(HANDLER_MODES)) {
  describe(`TLS, ${mode}`, () => {
    let server;
    before(async () => {
      server = await ExampleServer.start("echo", mode, ["--tls-cert", certificate, "--tls-key", key]);
    });
    after(() => server.stop());

    for (const version of ["TLSv1.2", "TLSv1.3"]) {
      test(`messages of many lengths come back over ${version}`, async () => {
        const trust = { ca: readFileSync(certificate), minVersion: version, maxVersion: version };
        const client = await Client.open(`wss://${server.address}/`, [], trust);
        for (const length of [0, 1, 125, 126, 16_383, 16_384, 65_536, 3_000_000]) {
          const message = Buffer.alloc(length, "tickwire");
          client.send(message);
          assert.ok(message.equals(await client.receive()), `${length} bytes`);
        }
        const { code } = await client.close(1000, "done");
        assert.equal(code, 1000);
      });
    }

    test("a server whose issuer is unknown is refused", async () => {
      const client = new Client(`wss://${server.address}/`);
      const error = await new Promise((resolve) => client.socket.once("error", resolve));
      assert.match(error.code, /SELF_SIGNED/);
    });
  });
}
