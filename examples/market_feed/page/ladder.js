// The order-book ladder: asks above, bids below, best prices meeting in the middle. Rows are made once
// per height and then only rewritten.

import { grouped } from './book.js';
import * as format from './format.js';

const GROUP_FACTORS = [1, 2, 5, 10, 50, 100, 1000];

export class Ladder {
  #parts;
  #asks = [];
  #bids = [];
  #instrument = null;
  #factor = 1;
  #visible = false;

  /** `parts`: the elements `ladder`, `asks`, `bids`, `mid`, `spread`, `balance*`, `grouping`. */
  constructor(parts, redraw) {
    this.#parts = parts;
    parts.grouping.addEventListener('change', () => {
      this.#factor = Number(parts.grouping.value);
      redraw();
    });
    new ResizeObserver(() => { this.#resize(); redraw(); }).observe(parts.asks);
  }

  show(instrument) {
    this.#instrument = instrument;
    this.#factor = 1;
    const tick = 10 ** -instrument.priceDecimals;
    this.#parts.grouping.replaceChildren(...GROUP_FACTORS.map((factor) => {
      const decimals = Math.max(0, instrument.priceDecimals - Math.floor(Math.log10(factor)));
      return new Option(format.price(tick * factor, decimals), String(factor));
    }));
  }

  #resize() {
    const height = this.#parts.asks.clientHeight;
    this.#visible = height > 0;
    if (!this.#visible) return;
    const rowHeight = parseFloat(getComputedStyle(this.#parts.ladder).getPropertyValue('--row')) || 20;
    const count = Math.max(1, Math.floor(height / rowHeight));
    // Rows share out what is left over, in whole device pixels: between others a seam would show.
    const ratio = window.devicePixelRatio || 1;
    this.#parts.ladder.style.setProperty('--fit', `${Math.floor((height / count) * ratio) / ratio}px`);
    for (const [rows, parent, kind] of [[this.#asks, this.#parts.asks, 'ask'], [this.#bids, this.#parts.bids, 'bid']]) {
      while (rows.length > count) rows.pop().element.remove();
      while (rows.length < count) {
        const row = new LadderRow(kind);
        rows.push(row);
        // Best first in `rows`; on screen the best ask is the lowest.
        if (kind === 'ask') parent.prepend(row.element);
        else parent.append(row.element);
      }
    }
  }

  render(book) {
    const it = this.#instrument;
    const parts = this.#parts;
    if (!it || !this.#visible) return;
    const step = 10 ** -it.priceDecimals * this.#factor;
    const asks = grouped(book.asks, step, this.#asks.length, true);
    const bids = grouped(book.bids, step, this.#bids.length, false);
    const sum = (rows) => rows.reduce((total, row) => (row.total = total + row.size), 0);
    const [askTotal, bidTotal] = [sum(asks), sum(bids)];
    const deepest = Math.max(askTotal, bidTotal);
    this.#asks.forEach((row, i) => row.render(asks[i], it, deepest));
    this.#bids.forEach((row, i) => row.render(bids[i], it, deepest));

    const both = book.bids.length > 0 && book.asks.length > 0;
    const gap = both ? book.asks[0].price - book.bids[0].price : NaN;
    const middle = both ? (book.asks[0].price + book.bids[0].price) / 2 : NaN;
    format.setText(parts.mid, format.price(it.last, it.priceDecimals));
    parts.mid.dataset.direction = it.direction > 0 ? 'up' : it.direction < 0 ? 'down' : '';
    format.setText(parts.spread, both ? `spread ${format.price(gap, it.priceDecimals)} · ${((gap / middle) * 1e4).toFixed(2)} bp` : 'no spread');
    const share = bidTotal + askTotal > 0 ? bidTotal / (bidTotal + askTotal) : 0.5;
    parts.balanceBid.style.transform = `scaleX(${share.toFixed(4)})`;
    format.setText(parts.balanceBidText, `${Math.round(share * 100)}%`);
    format.setText(parts.balanceAskText, `${100 - Math.round(share * 100)}%`);
  }
}

class LadderRow {
  #kind;
  #shown = '';

  constructor(kind) {
    this.#kind = kind;
    const row = document.createElement('div');
    row.className = `level ${kind}`;
    row.setAttribute('role', 'row');
    const add = (tag, className) => {
      const element = document.createElement(tag);
      element.className = className;
      if (tag === 'span') element.setAttribute('role', 'cell');
      row.append(element);
      return element;
    };
    this.depth = add('i', 'depth');
    this.own = add('i', 'own');
    this.price = add('span', 'at');
    this.size = add('span', 'size');
    this.total = add('span', 'total');
    this.element = row;
  }

  render(level, it, deepest) {
    const element = this.element;
    if (!level) {
      // An empty row keeps its place, so that the spread stays where the eye left it.
      if (this.#shown !== '') {
        this.#shown = '';
        element.classList.add('vacant');
        delete element.dataset.testid;
        delete element.dataset.price;
        for (const cell of [this.price, this.size, this.total]) cell.textContent = '';
      }
      return;
    }
    if (this.#shown === '') {
      element.classList.remove('vacant');
      element.dataset.testid = `ladder-${this.#kind}`;
    }
    const price = format.price(level.price, it.priceDecimals);
    if (this.#shown !== price) {
      this.#shown = price;
      this.price.textContent = price;
      element.dataset.price = level.price.toFixed(it.priceDecimals);
    }
    format.setText(this.size, format.size(level.size, it.quantityDecimals));
    format.setText(this.total, format.size(level.total, it.quantityDecimals));
    this.depth.style.transform = `scaleX(${(level.total / deepest).toFixed(4)})`;
    this.own.style.transform = `scaleX(${(level.size / deepest).toFixed(4)})`;
  }
}
