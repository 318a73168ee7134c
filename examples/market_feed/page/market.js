// What the page remembers of each instrument: its latest ticker, a sparkline and one-second bars.

const SPARK_POINTS = 72;
const SPARK_EVERY = 300; // ms of feed time between two points
const MAX_BARS = 7200; // seconds
const REWIND = 5_000; // ms back in feed time that mean "another recording", not jitter

export class Instrument {
  ticker = null;
  last = NaN;
  time = 0; // feed time of the latest price, ms
  direction = 0; // of the latest change: -1, 0, 1
  moves = 0; // price changes so far
  spark = [];
  bars = []; // {t (whole seconds), o, h, l, c, ticked, traded}: volume from tickers and from trades
  #sparkAt = 0;
  #volume = NaN;

  constructor({ symbol, name, price_decimals: priceDecimals, quantity_decimals: quantityDecimals }) {
    this.symbol = symbol;
    this.describe(name, priceDecimals, quantityDecimals);
  }

  describe(name, priceDecimals, quantityDecimals) {
    this.name = name ?? '';
    this.priceDecimals = priceDecimals ?? 2;
    this.quantityDecimals = quantityDecimals ?? 4;
  }

  /** Starts history over: the feed behind it is another one. */
  forget() {
    this.spark = [];
    this.bars = [];
    this.#sparkAt = 0;
    this.#volume = NaN;
  }

  applyTicker(ticker) {
    this.ticker = ticker;
    const volume = Number(ticker.volume);
    const grown = volume > this.#volume ? volume - this.#volume : 0;
    this.#volume = volume;
    const price = Number(ticker.last);
    if (price > 0) this.#moveTo(price, ticker.time, grown, 0);
  }

  applyTrade(trade) {
    this.#moveTo(Number(trade.price), trade.time, 0, Number(trade.quantity));
  }

  #moveTo(price, time, ticked, traded) {
    if (time < this.time - REWIND) this.forget();
    this.time = time;
    if (price !== this.last) {
      this.direction = price > this.last ? 1 : price < this.last ? -1 : 0;
      this.moves += 1;
      this.last = price;
    }
    if (time - this.#sparkAt >= SPARK_EVERY) {
      this.#sparkAt = time;
      if (this.spark.push(price) > SPARK_POINTS) this.spark.shift();
    } else {
      this.spark[this.spark.length - 1] = price;
    }
    const second = Math.floor(time / 1000);
    let bar = this.bars.at(-1);
    if (!bar || bar.t < second) {
      const open = bar && second - bar.t < 60 ? bar.c : price;
      bar = { t: second, o: open, h: Math.max(open, price), l: Math.min(open, price), c: price, ticked: 0, traded: 0 };
      if (this.bars.push(bar) > MAX_BARS) this.bars.shift();
    }
    if (price > bar.h) bar.h = price;
    if (price < bar.l) bar.l = price;
    bar.c = price;
    bar.ticked += ticked;
    bar.traded += traded;
  }

  /** The latest `count` candles of `interval` seconds, oldest first, `skip` of them back from now. */
  candles(interval, count, skip = 0) {
    const end = this.bars.at(-1);
    if (!end) return [];
    const newest = Math.floor(end.t / interval) - skip;
    const oldest = newest - count + 1;
    const candles = [];
    let candle = null;
    for (let i = this.firstBarAt(oldest * interval); i < this.bars.length; i += 1) {
      const bar = this.bars[i];
      const slot = Math.floor(bar.t / interval);
      if (slot > newest) break;
      // Trades and tickers report the same volume by two ways; the one that saw more of it is right.
      const volume = Math.max(bar.ticked, bar.traded);
      if (candle?.slot !== slot) {
        candle = { slot, o: bar.o, h: bar.h, l: bar.l, c: bar.c, v: volume };
        candles.push(candle);
      } else {
        candle.h = Math.max(candle.h, bar.h);
        candle.l = Math.min(candle.l, bar.l);
        candle.c = bar.c;
        candle.v += volume;
      }
    }
    return candles;
  }

  firstBarAt(second) {
    let low = 0;
    let high = this.bars.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.bars[middle].t < second) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
