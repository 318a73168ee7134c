// The page as a slow reader: it asks for the whole feed, really stops reading for a while, and shows what
// the server did about it meanwhile and whether everything is right afterwards.

import { Book } from './book.js';
import * as format from './format.js';

const SLEEP = 10_000; // ms
const LOOK_EVERY = 400; // ms between two looks at the server's figures
const BEGIN_WITHIN = 3_000; // ms for the books of all symbols to arrive
const CAUGHT_UP_WITHIN = 30_000; // ms after which it is not worth waiting any longer

const TITLES = {
  waiting: () => 'Asking for every book and trade',
  asleep: (left) => `Not reading for ${Math.ceil(left / 1000)} s`,
  reading: () => 'Reading again',
  done: (_, took) => `Caught up in ${took} s`,
  behind: () => 'Still behind',
  failed: () => 'Cut off',
};
const EXPLANATIONS = {
  waiting: 'So that there is enough not to read.',
  asleep: 'The worker that owns the socket sleeps. What the browser and TCP cannot hold waits at the server.',
  reading: 'The server sends what is left of its queue, then the latest of everything else.',
  done: 'Nothing waits any more, and every book matches its checksum.',
  behind: 'This page cannot read the whole feed as fast as it comes.',
  failed: 'The connection ended meanwhile.',
};

/** Books and trades of symbols that are not on the screen, each message proven. */
class Ledger {
  trades = 0;
  faults = 0;
  #books = new Map();
  #trades = new Map();

  take(message) {
    if (message.type === 'trade') {
      const before = this.#trades.get(message.symbol);
      if (before !== undefined && message.seq !== before + 1) this.faults += 1;
      this.#trades.set(message.symbol, message.seq);
      this.trades += 1;
      return;
    }
    let entry = this.#books.get(message.symbol);
    if (!entry) this.#books.set(message.symbol, entry = { book: new Book(), isProven: false });
    const verdict = message.type === 'snapshot' ? entry.book.snapshot(message) : entry.book.delta(message);
    if (verdict === 'early') return;
    if (verdict !== 'ok') this.faults += 1;
    entry.isProven = verdict === 'ok';
  }

  get proven() {
    return [...this.#books.values()].filter((entry) => entry.isProven).length;
  }
}

export class SlowReader {
  state = 'idle'; // or a key of TITLES

  #feed;
  #on;
  #panel = document.getElementById('slow');
  #ledger = new Ledger();
  #others = [];
  #begunAt = 0;
  #wokeAt = 0;
  #endedAt = 0;
  #timer = 0;
  #before = null; // the server's figures when it began
  #figures = null; // and the latest
  #levelCount = 0; // looks in a row that found nothing left to come
  #most = 0; // bytes that waited
  #told = 0; // messages that notices said were left out

  /**
   * `feed` is the connection; `on.symbols()` names all symbols and the one on the screen, `on.shown()` says
   * whether that one's book is proven, and `on.change()` hears of each step.
   */
  constructor(feed, on) {
    this.#feed = feed;
    this.#on = on;
    document.getElementById('slow-close').addEventListener('click', () => this.dismiss());
  }

  get isRunning() {
    return ['waiting', 'asleep', 'reading'].includes(this.state);
  }

  async start() {
    if (this.isRunning || this.#feed.state !== 'live') return;
    const { all, shown } = this.#on.symbols();
    this.#ledger = new Ledger();
    this.#others = all.filter((symbol) => symbol !== shown);
    this.#levelCount = 0;
    this.#most = 0;
    this.#told = 0;
    this.#begunAt = performance.now();
    this.#become('waiting');
    this.#before = this.#figures = await this.#look();
    if (!this.isRunning) return;
    this.#ask('subscribe');
    clearInterval(this.#timer);
    this.#timer = setInterval(() => this.#step(), LOOK_EVERY);
  }

  dismiss() {
    if (!this.isRunning) this.#become('idle');
  }

  /** The feed reads again. */
  woke() {
    if (this.state !== 'asleep') return;
    this.#wokeAt = performance.now();
    this.#become('reading');
  }

  /** A message about another symbol than the one on the screen. */
  take(message) {
    if (this.isRunning) this.#ledger.take(message);
  }

  /** The server says what it left out. */
  notice({ count }) {
    if (this.isRunning) this.#told += count;
  }

  /** The connection has ended, and with it all that it had asked for. */
  cutOff() {
    if (this.isRunning) this.#end('failed');
  }

  #ask(op) {
    const { shown } = this.#on.symbols();
    const symbols = this.#others.filter((symbol) => symbol !== shown);
    if (symbols.length === 0) return;
    for (const channel of ['book', 'trades']) this.#feed.send({ op, channel, symbols, id: 'slow' });
  }

  async #step() {
    const { state } = this;
    const elapsed = performance.now() - this.#begunAt;
    if (state === 'waiting' && (this.#ledger.proven === this.#others.length || elapsed > BEGIN_WITHIN)) {
      this.#feed.sleep(SLEEP);
      this.#become('asleep');
    }
    const figures = await this.#look();
    if (!this.isRunning) return;
    this.#figures = figures ?? this.#figures;
    this.#most = Math.max(this.#most, figures?.bytes_queued ?? 0);
    const late = state === 'reading' && performance.now() - this.#wokeAt > CAUGHT_UP_WITHIN;
    this.#levelCount = state === 'reading' && this.#isLevel() ? this.#levelCount + 1 : 0;
    // Between two pieces of what it lacks nothing waits either, for a moment.
    if (late || this.#levelCount === 2) {
      this.#end(late ? 'behind' : 'done');
      return;
    }
    this.#show();
  }

  /** Nothing waits at the server, and what the server says that it left out has been announced here. */
  #isLevel() {
    const waits = this.#figures?.bytes_queued ?? 0;
    const leftOut = this.#since('conflated') + this.#since('dropped');
    const proven = this.#ledger.proven === this.#others.length && this.#on.shown();
    return waits === 0 && this.#told >= leftOut && proven;
  }

  /** How much one of the server's figures has grown. */
  #since(member) {
    return (this.#figures?.[member] ?? 0) - (this.#before?.[member] ?? 0);
  }

  #end(state) {
    clearInterval(this.#timer);
    this.#endedAt = performance.now();
    if (state !== 'failed') this.#ask('unsubscribe');
    this.#become(state);
  }

  /** The server's figures about this connection; null when there are none. */
  async #look() {
    try {
      const response = await fetch(`stats?connection=${this.#feed.connection}`);
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }

  #become(state) {
    this.state = state;
    this.#panel.hidden = state === 'idle';
    this.#panel.dataset.state = state;
    this.#on.change(state);
    this.#show();
  }

  #show() {
    const left = this.#feed.sleepLeft;
    const took = ((this.#endedAt - this.#wokeAt) / 1000).toFixed(1);
    const texts = {
      title: TITLES[this.state]?.(left, took) ?? '',
      what: EXPLANATIONS[this.state] ?? '',
      queued: format.bytes(this.#figures?.bytes_queued ?? 0).join(' '),
      most: format.bytes(this.#most).join(' '),
      conflated: format.grouping(this.#since('conflated')),
      dropped: format.grouping(this.#since('dropped')),
      resynced: format.grouping(this.#since('resynced')),
      told: format.grouping(this.#told),
      trades: format.grouping(this.#ledger.trades),
      proven: `${this.#ledger.proven + Number(this.#on.shown())} of ${this.#others.length + 1}`,
      faults: format.grouping(this.#ledger.faults),
    };
    for (const [id, text] of Object.entries(texts)) format.setText(document.getElementById(`slow-${id}`), text);
    document.getElementById('slow-progress').style.transform = `scaleX(${1 - left / SLEEP})`;
  }
}
