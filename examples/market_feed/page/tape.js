// The trade tape: newest on top, rows recycled.

import * as format from './format.js';

const KEPT = 80; // trades: more than any screen shows
const PRESSURE_WINDOW = 60_000; // ms of feed time

export class Tape {
  #list;
  #empty;
  #pressure;
  #instrument = null;
  #waiting = []; // trades since the last frame, oldest first
  #rows = []; // newest first
  #recent = []; // [time, signed quantity] within the pressure window
  #typical = 0; // running mean quantity: what counts as large here

  constructor({ list, empty, pressure }) {
    this.#list = list;
    this.#empty = empty;
    this.#pressure = pressure;
  }

  show(instrument) {
    this.#instrument = instrument;
    this.#waiting = [];
    this.#rows = [];
    this.#recent = [];
    this.#typical = 0;
    this.#list.replaceChildren();
    this.#pressure.textContent = '';
    this.#empty.hidden = false;
  }

  add(trade) {
    const quantity = Number(trade.quantity);
    this.#typical = this.#typical === 0 ? quantity : this.#typical * 0.97 + quantity * 0.03;
    this.#recent.push([trade.time, trade.side === 'buy' ? quantity : -quantity]);
    // A hidden page gets no frames; what would scroll off unseen is dropped.
    if (this.#waiting.push(trade) > KEPT) this.#waiting.shift();
  }

  render() {
    if (this.#waiting.length === 0) return;
    this.#empty.hidden = true;
    for (const trade of this.#waiting) {
      const row = this.#rows.length < KEPT ? new TapeRow() : this.#rows.pop();
      row.render(trade, this.#instrument, this.#typical);
      this.#list.prepend(row.element);
      this.#rows.unshift(row);
    }
    const newest = this.#waiting.at(-1).time;
    this.#waiting = [];
    const from = this.#recent.findIndex(([time]) => time >= newest - PRESSURE_WINDOW);
    if (from > 0) this.#recent.splice(0, from);
    let [bought, sold] = [0, 0];
    for (const [, quantity] of this.#recent) {
      if (quantity > 0) bought += quantity;
      else sold -= quantity;
    }
    const share = Math.round((bought / (bought + sold || 1)) * 100);
    format.setText(this.#pressure, `${share}% bought`);
    this.#pressure.dataset.direction = share >= 50 ? 'up' : 'down';
  }
}

class TapeRow {
  constructor() {
    const row = document.createElement('div');
    row.setAttribute('role', 'listitem');
    row.dataset.testid = 'trade';
    this.bar = row.appendChild(document.createElement('i'));
    this.time = row.appendChild(document.createElement('time'));
    this.price = row.appendChild(document.createElement('span'));
    this.size = row.appendChild(document.createElement('span'));
    this.element = row;
  }

  render(trade, it, typical) {
    const quantity = Number(trade.quantity);
    const large = quantity > typical * 4;
    this.element.className = `print ${trade.side}${large ? ' large' : ''}`;
    this.element.dataset.id = String(trade.id);
    this.time.textContent = format.timeOfDay(trade.time, { millis: true });
    this.price.textContent = format.price(Number(trade.price), it.priceDecimals);
    this.size.textContent = format.size(quantity, it.quantityDecimals);
    this.bar.style.transform = `scaleX(${Math.min(1, quantity / (typical * 8)).toFixed(3)})`;
  }
}
