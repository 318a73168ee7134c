// Starts an example server as its own process and ends it again.
//
// The binaries are looked for in the directory that TICKWIRE_EXAMPLES names, else where
// `cargo build --release --examples` puts them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const EXAMPLES = process.env.TICKWIRE_EXAMPLES || join(HERE, "../../target/release/examples");
// Only so that a hang becomes a failure; nothing is measured against it.
export const PATIENCE_MS = 20_000;
export const HANDLER_MODES = { inline: "0", threads: "2" };

export class ExampleServer {
  static async start(name, mode = "inline", more = []) {
    const flags = ["--listen", "127.0.0.1:0", "--event-loops", "2", "--handler-threads", HANDLER_MODES[mode], ...more];
    const child = spawn(join(EXAMPLES, name), flags, { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    const lines = createInterface({ input: child.stdout });
    // A server that says nothing must not hang the tests.
    const watchdog = setTimeout(() => child.kill("SIGKILL"), PATIENCE_MS);
    const [line] = await Promise.race([once(lines, "line"), ended.then(([code]) => [`nothing, and ended with ${code}`])]);
    clearTimeout(watchdog);
    const match = /^listening on (\S+)$/.exec(line);
    if (!match) {
      child.kill("SIGKILL");
      assert.fail(`${name} said ${line} instead of "listening on ADDR"`);
    }
    const server = new ExampleServer();
    Object.assign(server, { child, ended, address: match[1] });
    return server;
  }

  url(path = "/") {
    return `ws://${this.address}${path}`;
  }

  /** Ends the server, and demands that it had lived so far and ends well. */
  async stop(signal = "SIGTERM") {
    assert.equal(this.child.exitCode, null, "the server died during the tests");
    this.child.kill(signal);
    const killer = setTimeout(() => this.child.kill("SIGKILL"), PATIENCE_MS);
    const [code, killedBy] = await this.ended;
    clearTimeout(killer);
    assert.deepEqual({ code, killedBy }, { code: 0, killedBy: null });
  }
}
