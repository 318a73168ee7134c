// The market_feed page, end to end: MARKET_FEED_BIN serves it, Chromium shows it.
// SCREENSHOTS=<dir> also writes pictures of it there.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open, restartServer, startServer } from './browser.mjs';

const BINARY = process.env.MARKET_FEED_BIN;
const PATIENCE = 90_000; // ms: until something that must happen counts as not happening
const id = (name) => `[data-testid="${name}"]`;

let browser;
let server;

before(async () => {
  assert.ok(BINARY, 'MARKET_FEED_BIN names the market_feed executable');
  [server, browser] = await Promise.all([startServer(BINARY), launch()]);
});

after(async () => {
  await browser?.close();
  await server?.kill();
});

/** Runs `body` with a page that is live and has a proven book, and expects that it never complained. */
async function withLivePage(options, body) {
  const opened = await open(browser, server.url, options);
  try {
    await live(opened.page);
    await body(opened);
    assert.deepEqual(opened.complaints, []);
  } finally {
    await opened.close();
  }
}

async function live(page) {
  await page.locator(`${id('connection-state')}[data-state="live"]`).waitFor({ timeout: PATIENCE });
  await provenBook(page);
}

const provenBook = (page) => page.locator(`${id('book-seal')}[data-state="verified"]`)
  .waitFor({ state: 'attached', timeout: PATIENCE });

const selected = (page) => page.locator(id('selected-symbol')).textContent();

const count = async (page, name) => Number(await page.locator(id(name)).textContent());

/** Waits until the prices of at least `least` watch rows differ from what they are now. */
async function pricesMove(page, least) {
  const prices = () => page.locator(id('watch-price')).evaluateAll((all) => all.map((price) => price.dataset.price));
  const then = await prices();
  await page.waitForFunction(
    ({ selector, old, wanted }) => {
      const now = [...document.querySelectorAll(selector)].map((price) => price.dataset.price);
      return now.filter((price, i) => price !== old[i] && Number(price) > 0).length >= wanted;
    },
    { selector: id('watch-price'), old: then, wanted: least },
    { timeout: PATIENCE },
  );
}

/** Looks at the ladder frame by frame. Returns how many different ladders it saw and what was wrong with any. */
function watchLadder(page, frames) {
  return page.evaluate(async (n) => {
    const column = (kind) => [...document.querySelectorAll(`[data-testid="ladder-${kind}"]`)].map((row) => Number(row.dataset.price));
    const seen = new Set();
    const faults = [];
    for (let i = 0; i < n; i += 1) {
      await new Promise((next) => { setTimeout(() => requestAnimationFrame(next), 40); });
      const [asks, bids] = [column('ask'), column('bid')];
      const topDown = [...asks, ...bids];
      if (asks.length < 3 || bids.length < 3) faults.push(`only ${asks.length} asks and ${bids.length} bids`);
      if (!topDown.every((price, at) => at === 0 || price < topDown[at - 1])) faults.push(`not falling: ${topDown}`);
      seen.add(document.querySelector('[data-testid="ladder"]').textContent);
    }
    return { ladders: seen.size, faults };
  }, frames);
}

test('shows a live market and asks nobody else for anything', () => withLivePage({}, async ({ page, requests }) => {
  await page.locator(id('watch-row')).nth(14).waitFor({ timeout: PATIENCE });
  await pricesMove(page, 5);
  assert.match(await page.locator(id('price')).textContent(), /^[\d,]+(\.\d+)?$/);
  await page.waitForFunction(() => Number(document.querySelector('[data-testid="message-rate"]').textContent.replace(',', '')) > 0, null, { timeout: PATIENCE });
  await page.waitForFunction(() => Number(document.querySelector('[data-testid="latency"]').textContent) > 0, null, { timeout: PATIENCE });
  const elsewhere = requests.filter((url) => !url.startsWith('data:') && new URL(url).host !== server.address);
  assert.deepEqual(elsewhere, []);
}));

test('the ladder stays sorted and uncrossed while it moves', () => withLivePage({}, async ({ page }) => {
  const { ladders, faults } = await watchLadder(page, 120);
  assert.deepEqual(faults, []);
  assert.ok(ladders > 10, `only ${ladders} different ladders`);
  await page.locator('#grouping').selectOption({ index: 3 });
  assert.deepEqual((await watchLadder(page, 20)).faults, []);
  assert.equal(await count(page, 'gaps'), 0);
  assert.equal(await count(page, 'checksum-errors'), 0);
}));

test('trades arrive, each once', () => withLivePage({}, async ({ page }) => {
  await page.locator(id('trade')).nth(9).waitFor({ state: 'attached', timeout: PATIENCE });
  const first = await page.locator(id('trade')).first().getAttribute('data-id');
  await page.waitForFunction((old) => document.querySelector('[data-testid="trade"]').dataset.id !== old, first, { timeout: PATIENCE });
  const ids = await page.locator(id('trade')).evaluateAll((all) => all.map((trade) => trade.dataset.id));
  assert.equal(new Set(ids).size, ids.length);
}));

test('switching symbols lets go of the old book and proves the new one', () => withLivePage({}, async ({ page, sent }) => {
  const old = await selected(page);
  const row = page.locator(`${id('watch-row')}[aria-selected="false"]`).first();
  const wanted = await row.getAttribute('data-symbol');
  await row.click();
  await page.waitForFunction(
    ({ selector, symbol }) => document.querySelector(selector).textContent === symbol,
    { selector: id('selected-symbol'), symbol: wanted },
    { timeout: PATIENCE },
  );
  await provenBook(page);
  const { faults } = await watchLadder(page, 20);
  assert.deepEqual(faults, []);
  const requests = sent.map((text) => JSON.parse(text));
  for (const channel of ['book', 'trades']) {
    const of = (op, symbol) => requests.findIndex((r) => r.op === op && r.channel === channel && r.symbols[0] === symbol);
    assert.ok(of('unsubscribe', old) > of('subscribe', old), `${old} ${channel} was not let go of`);
    assert.ok(of('subscribe', wanted) > 0, `${wanted} ${channel} was not asked for`);
  }
  assert.equal(await count(page, 'gaps'), 0);
}));

test('the keyboard selects and filters', () => withLivePage({}, async ({ page }) => {
  const symbols = await page.locator(id('watch-row')).evaluateAll((rows) => rows.map((row) => row.dataset.symbol));
  await page.keyboard.press('Home');
  assert.equal(await selected(page), symbols[0]);
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  assert.equal(await selected(page), symbols[2]);
  await page.keyboard.press('ArrowUp');
  assert.equal(await selected(page), symbols[1]);

  const last = symbols.at(-1);
  await page.keyboard.press('/');
  await page.keyboard.type(last.toLowerCase());
  const visible = await page.locator(`${id('watch-row')}:visible`).evaluateAll((rows) => rows.map((row) => row.dataset.symbol));
  assert.ok(visible.includes(last) && visible.length < symbols.length, `the filter left ${visible}`);
  await page.keyboard.press('Enter');
  assert.equal(await selected(page), visible[0]);
  await page.keyboard.press('/');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator(`${id('watch-row')}:visible`).count(), symbols.length);
  await provenBook(page);
}));

/** Lets a test damage one book message between the socket's worker and the page: `window.fault = 'lose' | 'falsify'`. */
function faultyWorker() {
  const Native = window.Worker;
  window.Worker = class extends Native {
    set onmessage(listener) {
      super.onmessage = ({ data }) => {
        if (!window.fault || !data.text?.includes('"delta"')) return listener({ data });
        const { fault } = window;
        window.fault = null;
        if (fault === 'lose') return undefined;
        const message = JSON.parse(data.text);
        return listener({ data: { ...data, text: JSON.stringify({ ...message, checksum: message.checksum ^ 1 }) } });
      };
    }
  };
}

for (const [fault, counter] of [['lose', 'gaps'], ['falsify', 'checksum-errors']]) {
  test(`a book message ${fault === 'lose' ? 'lost' : 'falsified'} on the way is noticed, and the book asked for again`, () => (
    withLivePage({ init: faultyWorker }, async ({ page, sent }) => {
      const snapshots = () => sent.filter((text) => text.includes('"subscribe"') && text.includes('"book"')).length;
      assert.equal(snapshots(), 1);
      await page.evaluate((kind) => { window.fault = kind; }, fault);
      await page.waitForFunction((selector) => document.querySelector(selector).textContent === '1', id(counter), { timeout: PATIENCE });
      await provenBook(page);
      assert.equal(snapshots(), 2);
      const { ladders, faults } = await watchLadder(page, 40);
      assert.deepEqual(faults, []);
      assert.ok(ladders > 3, 'the book stands still');
      assert.equal(await count(page, counter), 1);
    })
  ));
}

test('a slow reader really stops reading, and has everything right again afterwards', async () => {
  const busy = await startServer(BINARY, '127.0.0.1:0', ['--quiet', '--rate', '10000']);
  const { page, complaints, close } = await open(browser, busy.url);
  const stats = async () => (await fetch(`${busy.url}stats`)).json();
  const state = (name) => page.locator(`${id('slow')}[data-state="${name}"]`).waitFor({ timeout: PATIENCE });
  try {
    await live(page);
    await page.locator(id('slow-reader')).click();
    await state('asleep');
    await page.locator(id('connection-state')).filter({ hasText: 'Not reading' }).waitFor({ timeout: PATIENCE });
    // The server has more waiting for this one connection than the books and tickers are queued for.
    const isFull = async () => (await stats()).slowest.some((slowest) => slowest.bytes_queued > 256 << 10);
    for (let look = 0; !(await isFull()); look += 1) {
      assert.ok(look < 200 && await page.locator(`${id('slow')}[data-state="asleep"]`).count(), 'it goes on reading');
      await page.waitForTimeout(50);
    }
    await state('done');

    const shown = async (name) => Number((await page.locator(id(`slow-${name}`)).textContent()).replaceAll(',', ''));
    const [conflated, dropped, resynced] = [await shown('conflated'), await shown('dropped'), await shown('resynced')];
    assert.ok(conflated > 0 && dropped > 0 && resynced > 0, `${conflated}, ${dropped}, ${resynced}`);
    assert.equal(await shown('told'), conflated + dropped, 'a notice for each');
    assert.ok(await shown('trades') > 100);
    assert.equal(await page.locator(id('slow-proven')).textContent(), '20 of 20');
    assert.equal(await shown('faults'), 0);
    const { server: { total }, topics } = await stats();
    assert.equal(total.subscribers_closed, 0);
    for (const [name, topic] of Object.entries(topics)) {
      if (name.startsWith('trades/')) assert.equal(topic.offered, topic.delivered + topic.pending, name);
    }

    // The screen goes on as if nothing had been.
    await pricesMove(page, 5);
    assert.deepEqual((await watchLadder(page, 20)).faults, []);
    for (const counter of ['gaps', 'checksum-errors', 'reconnects']) assert.equal(await count(page, counter), 0, counter);
    await page.locator('#slow-close').click();
    assert.ok(await page.locator(id('slow')).isHidden());
    assert.deepEqual(complaints, []);
  } finally {
    await close();
    await busy.kill();
  }
});

test('light and dark are remembered', () => withLivePage({ colorScheme: 'light' }, async ({ page }) => {
  const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
  assert.equal(await theme(), 'light');
  await page.locator(id('theme-toggle')).click();
  assert.equal(await theme(), 'dark');
  await page.reload();
  await live(page);
  assert.equal(await theme(), 'dark');
}));

test('a phone shows one panel at a time and nothing beyond its edge', () => withLivePage({ phone: true }, async ({ page }) => {
  const shown = { watch: id('watch-list'), chart: id('chart'), book: id('ladder'), trades: id('tape') };
  for (const [tab, panel] of Object.entries(shown)) {
    await page.locator(`.tabs [data-tab="${tab}"]`).tap();
    for (const [other, selector] of Object.entries(shown)) {
      assert.equal(await page.locator(selector).isVisible(), other === tab, `${other} while ${tab} is chosen`);
    }
    const width = await page.evaluate(() => Math.max(...[...document.querySelectorAll('body *')]
      .filter((element) => element.checkVisibility() && !element.closest('.sr, .range, .level, .print, svg'))
      .map((element) => element.getBoundingClientRect().right)));
    assert.ok(width <= 390.5, `${tab} reaches to ${width}`);
  }
  await page.locator('.tabs [data-tab="book"]').tap();
  assert.deepEqual((await watchLadder(page, 20)).faults, []);
  await page.locator('.tabs [data-tab="watch"]').tap();
  await page.locator(id('watch-row')).nth(1).tap();
  assert.ok(await page.locator(id('chart')).isVisible(), 'a chosen symbol opens its chart');
}));

test('pictures', { skip: !process.env.SCREENSHOTS }, async () => {
  const dir = process.env.SCREENSHOTS;
  await mkdir(dir, { recursive: true });
  const save = (page, name) => page.screenshot({ path: path.join(dir, `${name}.png`), timeout: PATIENCE });
  const history = 30_000; // ms: a chart worth looking at
  const pages = await Promise.all([
    open(browser, server.url, { colorScheme: 'dark' }),
    open(browser, server.url, { colorScheme: 'light' }),
    open(browser, server.url, { phone: true }),
  ]);
  await Promise.all(pages.map(({ page }) => live(page)));
  const [dark, light, phone] = pages;
  await dark.page.waitForTimeout(history);
  // Pages that draw would keep a browser without a graphics card from taking pictures: they go one by one.
  const leave = async ({ complaints, close }) => {
    assert.deepEqual(complaints, []);
    await close();
  };
  await save(dark.page, 'desktop-dark');
  await leave(dark);
  await save(light.page, 'desktop-light');
  await leave(light);
  for (const tab of ['watch', 'chart', 'book', 'trades']) {
    await phone.page.locator(`.tabs [data-tab="${tab}"]`).tap();
    await phone.page.waitForTimeout(500);
    await save(phone.page, `phone-${tab}`);
  }
  await leave(phone);
});

test('comes back by itself after the server was killed and started again', async () => {
  const { page, complaints, close } = await open(browser, server.url);
  await live(page);
  await pricesMove(page, 3);
  assert.deepEqual(complaints, []);
  assert.equal(await count(page, 'reconnects'), 0);

  const { address } = server;
  await server.kill();
  await page.locator(`${id('connection-state')}[data-state="reconnecting"]`).waitFor({ timeout: PATIENCE });
  assert.match(await page.locator(id('connection-state')).textContent(), /Reconnecting/);
  server = await restartServer(BINARY, address);

  await live(page);
  assert.equal(await count(page, 'reconnects'), 1);
  await pricesMove(page, 3);
  const { ladders, faults } = await watchLadder(page, 40);
  assert.deepEqual(faults, []);
  assert.ok(ladders > 3, 'the book stands still');
  await page.locator(id('trade')).nth(2).waitFor({ state: 'attached', timeout: PATIENCE });
  // Browsers report each refused attempt themselves; no page can keep that from the console.
  assert.deepEqual(complaints.filter((text) => !/WebSocket connection to .* failed/.test(text)), []);
  await close();
});
