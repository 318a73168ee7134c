// The watch list: one row per symbol with its price, change and sparkline; a listbox for the keyboard.

import { box, colors, sparkline } from './canvas.js';
import * as format from './format.js';

const FLASH_EVERY = 700; // ms: a price that moves all the time would otherwise never stop blinking
const FEW = 6; // up to so many symbols get tall rows with a wide sparkline

export class WatchList {
  #list;
  #empty;
  #count;
  #rows = new Map(); // symbol -> row
  #filter = '';
  #selected = null;
  #onSelect;

  constructor({ list, empty, count, onSelect }) {
    this.#list = list;
    this.#empty = empty;
    this.#count = count;
    this.#onSelect = onSelect;
    list.addEventListener('click', (event) => {
      const row = event.target.closest('[data-symbol]');
      if (row) onSelect(row.dataset.symbol, true);
    });
  }

  /** Rebuilds the rows, in the server's order. */
  setInstruments(instruments) {
    this.#rows.clear();
    this.#list.replaceChildren();
    let n = 0;
    for (const instrument of instruments.values()) {
      const row = new Row(instrument, n);
      this.#rows.set(instrument.symbol, row);
      this.#list.append(row.element);
      n += 1;
    }
    this.#list.classList.toggle('few', n > 0 && n <= FEW);
    this.#applyFilter();
    this.select(this.#selected);
    this.render();
    this.renderSparklines();
  }

  select(symbol) {
    this.#rows.get(this.#selected)?.element.setAttribute('aria-selected', 'false');
    this.#selected = symbol;
    const row = this.#rows.get(symbol);
    if (!row) {
      this.#list.removeAttribute('aria-activedescendant');
      return;
    }
    row.element.setAttribute('aria-selected', 'true');
    this.#list.setAttribute('aria-activedescendant', row.element.id);
    row.element.scrollIntoView({ block: 'nearest' });
  }

  /** Selects the row `by` places further among those that the filter shows. */
  step(by) {
    const shown = this.#shown();
    if (shown.length === 0) return;
    const at = shown.indexOf(this.#selected);
    const next = at < 0 ? 0 : Math.min(shown.length - 1, Math.max(0, at + by));
    this.#onSelect(shown[next], false);
  }

  edge(last) {
    const symbol = this.#shown().at(last ? -1 : 0);
    if (symbol) this.#onSelect(symbol, false);
  }

  filter(text) {
    this.#filter = text.trim().toLowerCase();
    this.#applyFilter();
  }

  selectFirst() {
    const [first] = this.#shown();
    if (first) this.#onSelect(first, true);
  }

  #shown() {
    return [...this.#rows].filter(([, row]) => !row.element.hidden).map(([symbol]) => symbol);
  }

  #applyFilter() {
    for (const row of this.#rows.values()) row.element.hidden = !row.matches(this.#filter);
    const [shown, all] = [this.#shown().length, this.#rows.size];
    format.setText(this.#count, all === 0 ? '' : shown === all ? String(all) : `${shown} of ${all}`);
    this.#empty.hidden = shown > 0;
    if (shown === 0) format.setText(this.#empty, all === 0 ? 'Waiting for the symbol list' : 'No symbol matches the filter');
  }

  render() {
    const now = performance.now();
    for (const row of this.#rows.values()) row.render(now);
  }

  renderSparklines() {
    for (const row of this.#rows.values()) row.renderSparkline();
  }

  repaint() {
    for (const row of this.#rows.values()) row.sparkSeen = null;
    this.renderSparklines();
  }
}

class Row {
  sparkSeen = null;
  #instrument;
  #seen = null; // the ticker and last price on screen
  #last = NaN;
  #moves;
  #flashedAt = 0;
  #flip = false;

  constructor(instrument, n) {
    this.#instrument = instrument;
    this.#moves = instrument.moves;
    const row = document.createElement('div');
    row.className = 'watch-row';
    row.id = `watch-${n}`;
    row.setAttribute('role', 'option');
    row.setAttribute('aria-selected', 'false');
    row.dataset.testid = 'watch-row';
    row.dataset.symbol = instrument.symbol;
    const add = (tag, className, text = '') => {
      const element = document.createElement(tag);
      element.className = className;
      element.textContent = text;
      row.append(element);
      return element;
    };
    add('b', 'symbol', instrument.symbol);
    add('span', 'name', instrument.name);
    this.spark = add('canvas', 'spark');
    this.spark.setAttribute('aria-hidden', 'true');
    this.price = add('span', 'last', '–');
    this.price.dataset.testid = 'watch-price';
    this.change = add('span', 'change', '–');
    this.element = row;
  }

  matches(filter) {
    const { symbol, name } = this.#instrument;
    return symbol.toLowerCase().includes(filter) || name.toLowerCase().includes(filter);
  }

  render(now) {
    const it = this.#instrument;
    if (it.ticker === this.#seen && it.last === this.#last) return;
    this.#seen = it.ticker;
    this.#last = it.last;
    format.setText(this.price, format.price(it.last, it.priceDecimals));
    this.price.dataset.price = String(it.last);
    const change = Number(it.ticker?.change);
    format.setText(this.change, format.percent(it.ticker?.change));
    this.element.dataset.trend = change < 0 ? 'down' : 'up';
    if (it.moves !== this.#moves && now - this.#flashedAt >= FLASH_EVERY) {
      // The first price is news to nobody.
      if (this.#moves > 0) {
        this.#flip = !this.#flip; // two names for one animation: a change of name starts it again
        this.price.dataset.flash = (it.direction > 0 ? 'up' : 'down') + (this.#flip ? '-a' : '-b');
        this.#flashedAt = now;
      }
      this.#moves = it.moves;
    }
  }

  renderSparkline() {
    const { spark, ticker } = this.#instrument;
    const room = box(this.spark);
    if (!room) return;
    const seen = `${spark.length} ${this.#instrument.moves} ${room.width} ${room.height}`;
    if (seen === this.sparkSeen) return;
    this.sparkSeen = seen;
    const theme = colors();
    sparkline(this.spark, spark, Number(ticker?.change) < 0 ? theme.down : theme.up, { base: Number(ticker?.open) });
  }
}
