// The order book of one symbol: rebuilt from a snapshot and the deltas that follow it, and proven
// against the server's sequence numbers and checksums with every message.

const CHECKED_LEVELS = 10; // a side, as the wire protocol says

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit += 1) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** CRC-32 (IEEE) of ASCII text. */
export function crc32(text) {
  let crc = 0xffffffff;
  for (let i = 0; i < text.length; i += 1) crc = CRC_TABLE[(crc ^ text.charCodeAt(i)) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * Levels are `{price, size, text}`, best first: numbers to sort, sum and draw with, and the wire's own
 * "price:quantity", because the checksum is over the decimal strings and not over what a double makes of them.
 */
export class Book {
  bids = [];
  asks = [];
  seq = null; // null until a snapshot came: deltas before it belong to an older subscription

  clear() {
    this.bids = [];
    this.asks = [];
    this.seq = null;
  }

  /** Replaces the whole book. Returns 'ok' or 'checksum'. */
  snapshot(message) {
    this.bids = message.bids.map(level).sort((a, b) => b.price - a.price);
    this.asks = message.asks.map(level).sort((a, b) => a.price - b.price);
    this.seq = message.seq;
    return this.#proven(message.checksum);
  }

  /** Applies changed levels. Returns 'ok', 'early' (no snapshot yet), 'gap' or 'checksum'. */
  delta(message) {
    if (this.seq === null) return 'early';
    if (message.seq !== this.seq + 1) return 'gap';
    this.seq = message.seq;
    for (const pair of message.bids) put(this.bids, level(pair), -1);
    for (const pair of message.asks) put(this.asks, level(pair), 1);
    return this.#proven(message.checksum);
  }

  #proven(checksum) {
    const crossed = this.bids.length > 0 && this.asks.length > 0 && this.bids[0].price >= this.asks[0].price;
    return !crossed && crc32(this.checksumText()) === checksum ? 'ok' : 'checksum';
  }

  checksumText() {
    const texts = [];
    for (const side of [this.bids, this.asks]) {
      for (let i = 0; i < CHECKED_LEVELS && i < side.length; i += 1) texts.push(side[i].text);
    }
    return texts.join(',');
  }
}

function level([price, quantity]) {
  return { price: Number(price), size: Number(quantity), text: `${price}:${quantity}` };
}

/** Inserts, replaces or (size zero) removes a level. `order` is 1 for ascending, -1 for descending prices. */
function put(side, changed, order) {
  let low = 0;
  let high = side.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((side[middle].price - changed.price) * order < 0) low = middle + 1;
    else high = middle;
  }
  const found = low < side.length && side[low].price === changed.price;
  if (changed.size === 0) {
    if (found) side.splice(low, 1);
  } else {
    side.splice(low, found ? 1 : 0, changed);
  }
}

/**
 * Levels gathered into steps of `step` (a price), at most `count` of them. Bids round down and asks up,
 * so that a grouped book never crosses.
 */
export function grouped(side, step, count, roundUp) {
  const rows = [];
  const round = roundUp ? Math.ceil : Math.floor;
  for (const { price, size } of side) {
    // The nudge absorbs what binary fractions do to a price that lies on a step exactly.
    const at = round(price / step + (roundUp ? -1e-7 : 1e-7)) * step;
    const last = rows.at(-1);
    if (last && Math.abs(last.price - at) < step / 2) last.size += size;
    else if (rows.length === count) break;
    else rows.push({ price: at, size });
  }
  return rows;
}
