// A `ws` client whose messages are awaited one by one.

import { once } from "node:events";
import { WebSocket } from "ws";
import { PATIENCE_MS } from "./example_server.mjs";

export class Client {
  constructor(url, subprotocols = [], options = {}) {
    this.socket = new WebSocket(url, subprotocols, { perMessageDeflate: false, maxPayload: 0, ...options });
    this.received = [];
    this.waiting = [];
    this.socket.on("message", (data, isBinary) => {
      const message = isBinary ? data : data.toString();
      const waiter = this.waiting.shift();
      if (waiter) waiter.resolve(message);
      else this.received.push(message);
    });
    this.closed = new Promise((resolve) => {
      this.socket.on("close", (code, reason) => {
        resolve({ code, reason: reason.toString() });
        for (const waiter of this.waiting.splice(0)) waiter.reject(new Error(`closed with ${code}`));
      });
    });
  }

  static async open(...args) {
    const client = new Client(...args);
    await once(client.socket, "open", { signal: AbortSignal.timeout(PATIENCE_MS) });
    // From here on an error is followed by `close`, which tells enough.
    client.socket.on("error", () => {});
    return client;
  }

  send(data, options = {}) {
    this.socket.send(data, options);
  }

  /** The next message: a string, or a Buffer where it was binary. */
  receive() {
    if (this.received.length > 0) return Promise.resolve(this.received.shift());
    return withPatience("a message", new Promise((resolve, reject) => this.waiting.push({ resolve, reject })));
  }

  async receiveJson() {
    return JSON.parse(await this.receive());
  }

  /** Closes and returns what the server answered. */
  close(code, reason) {
    this.socket.close(code, reason);
    return withPatience("the close", this.closed);
  }
}

export function withPatience(what, promise) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), PATIENCE_MS);
  });
  return Promise.race([promise, timeout]).finally(() => clearTimeout(timer));
}
