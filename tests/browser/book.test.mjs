// The page's order book against a slow twin, without a browser.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

// Imported by its text: beside the page there is no package.json to say that its files are modules.
const source = await readFile(new URL('../../examples/market_feed/page/book.js', import.meta.url), 'utf8');
const { Book, crc32, grouped } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

/** A book as two maps from price text to quantity text: obviously right, and slow. */
class Twin {
  sides = { bids: new Map(), asks: new Map() };

  apply(message) {
    for (const side of ['bids', 'asks']) {
      for (const [price, quantity] of message[side]) {
        if (Number(quantity) === 0) this.sides[side].delete(price);
        else this.sides[side].set(price, quantity);
      }
    }
  }

  levels(side) {
    return [...this.sides[side]].sort(([a], [b]) => (side === 'bids' ? b - a : a - b)).map(([p, q]) => `${p}:${q}`);
  }

  checksum() {
    return crc32([...this.levels('bids').slice(0, 10), ...this.levels('asks').slice(0, 10)].join(','));
  }
}

/** Numbers in [0, 1) that are the same in every run. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function randomSide(random, from, direction, changes, removable) {
  return Array.from({ length: changes }, () => [
    (from + (direction * Math.floor(1 + random() * 60)) / 100).toFixed(2),
    removable && random() < 0.4 ? '0.0000' : (random() * 3 + 0.0001).toFixed(4),
  ]);
}

test('CRC-32 gives the published check value', () => {
  assert.equal(crc32('123456789'), 0xcbf43926);
  assert.equal(crc32(''), 0);
});

test('any snapshot and deltas give the book that two maps give', () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = generator(seed);
    const [book, twin] = [new Book(), new Twin()];
    const message = (changes, removable, seq) => {
      const draft = {
        bids: randomSide(random, 100, -1, changes, removable), asks: randomSide(random, 100, 1, changes, removable), seq,
      };
      twin.apply(draft);
      return { ...draft, checksum: twin.checksum() };
    };
    // One price may come twice in a delta, but not in a snapshot.
    const snapshot = message(40, false, 7);
    for (const side of ['bids', 'asks']) snapshot[side] = twin.levels(side).map((text) => text.split(':'));
    assert.equal(book.snapshot(snapshot), 'ok');
    for (let seq = 8; seq < 300; seq += 1) {
      assert.equal(book.delta(message(Math.floor(random() * 5), true, seq)), 'ok');
      assert.deepEqual(book.bids.map(({ text }) => text), twin.levels('bids'));
      assert.deepEqual(book.asks.map(({ text }) => text), twin.levels('asks'));
    }
  }
});

test('deltas before the snapshot, after a gap and with a false checksum are told apart', () => {
  const book = new Book();
  const snapshot = { seq: 3, bids: [['9.9', '1.0']], asks: [['10.1', '2.0']], checksum: crc32('9.9:1.0,10.1:2.0') };
  const delta = (seq, checksum) => ({ seq, bids: [['9.8', '4.0']], asks: [], checksum });
  const right = crc32('9.9:1.0,9.8:4.0,10.1:2.0');
  assert.equal(book.delta(delta(4, right)), 'early');
  assert.equal(book.snapshot({ ...snapshot, checksum: 1 }), 'checksum');
  assert.equal(book.snapshot(snapshot), 'ok');
  assert.equal(book.delta(delta(5, right)), 'gap');
  assert.equal(book.delta(delta(3, right)), 'gap');
  assert.equal(book.delta(delta(4, right)), 'ok');
  assert.equal(book.delta(delta(5, right + 1)), 'checksum');
});

test('a crossed book is never proven, whatever its checksum', () => {
  const crossed = { seq: 1, bids: [['10.2', '1.0']], asks: [['10.1', '2.0']], checksum: crc32('10.2:1.0,10.1:2.0') };
  assert.equal(new Book().snapshot(crossed), 'checksum');
});

test('grouping keeps every quantity and never crosses', () => {
  const levels = (prices) => prices.map((price) => ({ price, size: 1 }));
  const bids = grouped(levels([100.03, 100.02, 100, 99.99, 99.9]), 0.1, 10, false);
  const asks = grouped(levels([100.04, 100.1, 100.11, 100.2, 100.3]), 0.1, 10, true);
  const rows = (side) => side.map(({ price, size }) => [price.toFixed(2), size]);
  assert.deepEqual(rows(bids), [['100.00', 3], ['99.90', 2]]);
  assert.deepEqual(rows(asks), [['100.10', 2], ['100.20', 2], ['100.30', 1]]);
  assert.equal(grouped(levels([3, 2, 1]), 1, 2, false).length, 2);
});
