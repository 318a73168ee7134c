// What every browser test needs: a server process, a Chromium, and a page that tells on itself.

import { spawn } from 'node:child_process';
import { chromium } from 'playwright-core';

const START_WITHIN = 30_000; // ms

/** Starts an example's binary and waits until it says where it listens. */
export async function startServer(binary, listen = '127.0.0.1:0', flags = [], scheme = 'http') {
  const child = spawn(binary, ['--listen', listen, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => { child.once('exit', resolve); });
  const address = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${binary} did not say "listening on"`)), START_WITHIN);
    let output = '';
    child.stdout.on('data', (chunk) => { // read on: a full pipe would stop the server
      output = (output + chunk).slice(-4096);
      const found = /listening on (?:\w+:\/\/)?([\d.]+:\d+)/.exec(output);
      if (found) {
        clearTimeout(timer);
        resolve(found[1]);
      }
    });
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(new Error(`${binary} ended early (${code ?? signal})`)));
  });
  return {
    address,
    url: `${scheme}://${address}/`,
    async kill(signal = 'SIGKILL') {
      child.kill(signal);
      await exited;
    },
  };
}

/** Starts the binary on an address that was in use a moment ago. */
export async function restartServer(binary, address) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startServer(binary, address);
    } catch (error) {
      if (attempt === 20) throw error;
      await new Promise((resolve) => { setTimeout(resolve, 500); });
    }
  }
}

export function launch(flags = []) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: [
      '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync', ...flags,
    ],
  });
}

/**
 * Opens `url` in a context of its own. The page comes with `complaints` (console errors and warnings, page
 * errors, failed or refused requests), `requests` (every URL asked for) and `sent` (every text frame sent).
 */
export async function open(browser, url, { phone = false, init, ...options } = {}) {
  const context = await browser.newContext({
    viewport: phone ? { width: 390, height: 844 } : { width: 1440, height: 900 },
    ...(phone ? { deviceScaleFactor: 3, isMobile: true, hasTouch: true } : {}),
    colorScheme: 'dark',
    ...options,
  });
  const page = await context.newPage();
  const [complaints, requests, sent] = [[], [], []];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => complaints.push(`page error: ${error.stack}`));
  page.on('request', (request) => requests.push(request.url()));
  page.on('requestfailed', (request) => complaints.push(`failed: ${request.url()}`));
  page.on('response', (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()}: ${response.url()}`);
  });
  page.on('websocket', (socket) => {
    requests.push(socket.url());
    socket.on('framesent', ({ payload }) => sent.push(String(payload)));
  });
  if (init) await page.addInitScript(init);
  await page.goto(url);
  return { page, complaints, requests, sent, close: () => context.close() };
}
