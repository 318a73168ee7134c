// Chromium's own WebSocket against the echo server, on its event loop and with handler threads.

import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

import { launch, startServer } from './browser.mjs';

const ECHO = join(dirname(process.env.MARKET_FEED_BIN), 'echo');

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/** Sends texts and bytes of many lengths and gives back what came, and how the connection closed. */
async function exchange(url) {
  const socket = new WebSocket(url);
  socket.binaryType = 'arraybuffer';
  const arrived = [];
  let wake = () => {};
  socket.onmessage = ({ data }) => {
    arrived.push(data);
    wake();
  };
  const closed = new Promise((resolve) => {
    socket.onclose = ({ code, reason, wasClean }) => resolve({ code, reason, wasClean });
  });
  await new Promise((resolve, reject) => {
    socket.onopen = resolve;
    socket.onerror = () => reject(new Error('the connection failed'));
  });
  const texts = ['', 'hello', 'grüße ✓ 🦀', 'x'.repeat(70_000)];
  const lengths = [0, 1, 125, 126, 65_535, 65_536, 1_000_000];
  texts.forEach((text) => socket.send(text));
  lengths.forEach((length) => socket.send(new Uint8Array(length).fill(length % 251)));
  while (arrived.length < texts.length + lengths.length) {
    await new Promise((resolve) => {
      wake = resolve;
    });
  }
  const bytes = arrived.slice(texts.length).map((data) => new Uint8Array(data));
  socket.close(4001, 'enough');
  return {
    compressed: socket.extensions.startsWith('permessage-deflate'),
    textsEqual: texts.every((text, i) => arrived[i] === text),
    bytesEqual: lengths.every(
      (length, i) => bytes[i].length === length && bytes[i].every((byte) => byte === length % 251),
    ),
    closed: await closed,
  };
}

for (const threads of ['0', '2']) {
  for (const deflate of ['off', 'shared', 'dedicated']) {
    const name = `Chromium talks to echo with ${threads} handler threads, compression ${deflate}`;
    test(name, { timeout: 60_000 }, async () => {
      const flags = ['--handler-threads', threads, '--deflate', deflate];
      const server = await startServer(ECHO, '127.0.0.1:0', flags);
      try {
        const page = await browser.newPage();
        const result = await page.evaluate(exchange, `ws://${server.address}/`);
        assert.deepEqual(result, {
          compressed: deflate !== 'off',
          textsEqual: true,
          bytesEqual: true,
          closed: { code: 4001, reason: '', wasClean: true },
        });
      } finally {
        await server.kill('SIGTERM');
      }
    });
  }
}
