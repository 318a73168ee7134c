// The price chart: candles or a line with volume, crosshair, wheel zoom and drag. Time is the feed's own:
// a recording replayed at any speed keeps its own axis.

import { colors, fit } from './canvas.js';
import * as format from './format.js';

export const INTERVALS = [[1, '1s'], [5, '5s'], [15, '15s'], [60, '1m'], [300, '5m']];
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
const MIN_SPACING = 3; // CSS pixels from candle to candle
const MAX_SPACING = 28;
const AXIS_HEIGHT = 24;
const FONT_SIZE = 11;

export class Chart {
  mode = 'candles';
  interval = 1;
  instrument = null;

  #canvas;
  #legend;
  #live;
  #redraw;
  #spacing = null; // null: wide while there is little to see, narrower as history grows
  #shown = 9; // the spacing of the frame on screen
  #skip = 0; // candles scrolled back from now
  #newest = 0; // slot that "now" was in the frame on screen
  #pointer = null; // {x, y} of the crosshair
  #drag = null;
  #range = null; // {low, high} on screen, eased towards the wanted one
  #calm = matchMedia('(prefers-reduced-motion: reduce)');

  /** `redraw` asks for a `draw()` in the next frame. */
  constructor({ canvas, legend, live, redraw }) {
    this.#canvas = canvas;
    this.#legend = legend;
    this.#live = live;
    this.#redraw = redraw;
    this.#listen();
  }

  show(instrument) {
    this.instrument = instrument;
    this.#reset();
  }

  setInterval(interval) {
    this.interval = interval;
    this.#reset();
  }

  setMode(mode) {
    this.mode = mode;
    this.#redraw();
  }

  zoom(factor) {
    this.#spacing = clamp(this.#shown * factor, MIN_SPACING, MAX_SPACING);
    this.#redraw();
  }

  #reset() {
    this.#spacing = null;
    this.#skip = 0;
    this.#range = null;
    this.#redraw();
  }

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      if (event.pointerType === 'mouse') this.#drag = { x: event.offsetX, skip: this.#skip };
      this.#point(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (this.#drag) {
        const moved = (event.offsetX - this.#drag.x) / this.#shown;
        this.#skip = Math.max(0, Math.round(this.#drag.skip + moved));
      }
      this.#point(event);
    });
    const end = (event) => {
      this.#drag = null;
      // A finger leaves no hovering pointer behind.
      if (event.pointerType !== 'mouse' || event.type === 'pointerleave') this.#pointer = null;
      this.#redraw();
    };
    for (const type of ['pointerup', 'pointercancel', 'pointerleave']) canvas.addEventListener(type, end);
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        this.#skip = Math.max(0, this.#skip - Math.sign(event.deltaX));
        this.#redraw();
      } else {
        this.zoom(Math.exp(-event.deltaY / 500));
      }
    }, { passive: false });
    this.#live.addEventListener('click', () => { this.#skip = 0; this.#redraw(); });
  }

  #point(event) {
    this.#pointer = { x: event.offsetX, y: event.offsetY };
    this.#redraw();
  }

  /** Draws one frame. Returns true while something still moves. */
  draw() {
    const fitted = fit(this.#canvas);
    if (!fitted) return false;
    const { context, width, height, ratio } = fitted;
    const theme = colors();
    context.font = `500 ${FONT_SIZE}px ${theme.font}`;
    context.textBaseline = 'middle';
    const it = this.instrument;
    if (!it || it.bars.length === 0) {
      this.#live.hidden = true;
      this.#legend.textContent = '';
      context.fillStyle = theme.muted;
      context.textAlign = 'center';
      context.fillText('Waiting for the first prices', width / 2, height / 2);
      return false;
    }

    const axis = Math.ceil(context.measureText(format.price(it.last, it.priceDecimals)).width) + 18;
    const plot = { width: width - axis, height: height - AXIS_HEIGHT, top: 34 };
    const seconds = it.bars.at(-1).t - it.bars[0].t;
    const available = Math.floor(seconds / this.interval) + 1;
    const spacing = this.#spacing ?? clamp((plot.width - 24) / (available + 2), 7, 16);
    const count = Math.ceil(plot.width / spacing) + 1;
    const now = Math.floor(it.bars.at(-1).t / this.interval);
    if (this.#skip > 0 && !this.#drag) this.#skip += now - this.#newest; // what is being looked at stays put
    this.#newest = now;
    this.#shown = spacing;
    this.#skip = clamp(this.#skip, 0, Math.max(0, available - 3));
    this.#live.hidden = this.#skip === 0;
    const candles = it.candles(this.interval, count, this.#skip);
    const newest = now - this.#skip;
    const view = { context, theme, it, plot, axis, spacing, candles, newest, ratio, width, height };
    view.x = (slot) => plot.width - 14 - (newest - slot + 0.5) * spacing;
    const moving = this.#scale(view);
    this.#grid(view);
    this.#volume(view);
    if (this.mode === 'line') this.#line(view);
    else this.#candles(view);
    this.#extremes(view);
    this.#lastPrice(view);
    this.#crosshair(view);
    return moving;
  }

  #scale(view) {
    const { candles, plot, it } = view;
    let low = Infinity;
    let high = -Infinity;
    for (const { h, l, c } of candles) {
      low = Math.min(low, this.mode === 'line' ? c : l);
      high = Math.max(high, this.mode === 'line' ? c : h);
    }
    if (low > high) [low, high] = [it.last, it.last];
    const least = 10 ** -it.priceDecimals * 8; // a flat market is drawn flat, not as cliffs of one tick
    if (high - low < least) {
      const middle = (high + low) / 2;
      [low, high] = [middle - least / 2, middle + least / 2];
    }
    const pad = (high - low) * 0.1;
    low -= pad;
    high += pad;
    let moving = false;
    const range = this.#range;
    if (!range || this.#calm.matches) {
      this.#range = { low, high };
    } else {
      range.low += (low - range.low) * 0.3;
      range.high += (high - range.high) * 0.3;
      const near = (high - low) * 0.002;
      moving = Math.abs(range.low - low) > near || Math.abs(range.high - high) > near;
      if (!moving) this.#range = { low, high };
    }
    ({ low: view.low, high: view.high } = this.#range);
    const tall = plot.height - plot.top - 6;
    view.y = (price) => plot.top + (1 - (price - view.low) / (view.high - view.low)) * tall;
    view.priceAt = (y) => view.low + (1 - (y - plot.top) / tall) * (view.high - view.low);
    return moving;
  }

  #grid(view) {
    const { context, theme, plot, it, width, height, spacing, newest, ratio } = view;
    context.lineWidth = 1 / ratio;
    context.strokeStyle = theme.grid;
    context.fillStyle = theme.muted;
    context.textAlign = 'left';
    const lastAt = view.y(it.last); // where the tag of the last price will stand
    const step = niceStep((view.high - view.low) / Math.max(2, plot.height / 56), 10 ** -it.priceDecimals);
    context.beginPath();
    for (let price = Math.ceil(view.low / step) * step; price <= view.high; price += step) {
      const y = crisp(view, view.y(price));
      if (y < 10 || y > plot.height - 6) continue;
      context.moveTo(0, y);
      context.lineTo(plot.width, y);
      if (Math.abs(y - lastAt) > 13) context.fillText(format.price(price, it.priceDecimals), plot.width + 8, y + 0.5);
    }
    const per = TIME_STEPS.find((seconds) => (seconds / this.interval) * spacing >= 76 && seconds % this.interval === 0) ?? 86400;
    const slots = per / this.interval;
    const shift = new Date().getTimezoneOffset() * 60; // ticks on whole local hours
    context.textAlign = 'center';
    const align = Math.floor(shift / this.interval);
    for (let slot = Math.floor((newest - align) / slots) * slots + align; ; slot -= slots) {
      const x = crisp(view, view.x(slot));
      if (x < 30) break;
      if (x > plot.width - 4) continue;
      context.moveTo(x, 0);
      context.lineTo(x, plot.height);
      context.fillText(format.timeOfDay(slot * this.interval * 1000, { seconds: per < 60 }), x, plot.height + AXIS_HEIGHT / 2 + 1);
    }
    context.stroke();
    context.strokeStyle = theme.line;
    context.beginPath();
    context.moveTo(0, crisp(view, plot.height));
    context.lineTo(width, crisp(view, plot.height));
    context.moveTo(crisp(view, plot.width), 0);
    context.lineTo(crisp(view, plot.width), height);
    context.stroke();
  }

  #volume({ context, theme, plot, candles, spacing, x }) {
    let most = 0;
    for (const { v } of candles) if (v > most) most = v;
    if (most === 0) return;
    const tall = plot.height * 0.16;
    const wide = bodyWidth(spacing);
    context.globalAlpha = 0.2;
    for (const candle of candles) {
      const h = Math.max(candle.v > 0 ? 1 : 0, Math.round((candle.v / most) * tall));
      context.fillStyle = this.mode === 'line' ? theme.muted : candle.c >= candle.o ? theme.up : theme.down;
      context.fillRect(Math.round(x(candle.slot) - wide / 2), plot.height - h, wide, h);
    }
    context.globalAlpha = 1;
  }

  #candles(view) {
    const { context, theme, candles, spacing, x, y, ratio } = view;
    const wide = bodyWidth(spacing);
    for (const candle of candles) {
      const middle = x(candle.slot);
      const left = Math.round(middle - wide / 2);
      const top = Math.round(y(Math.max(candle.o, candle.c)) * ratio) / ratio;
      const bottom = Math.round(y(Math.min(candle.o, candle.c)) * ratio) / ratio;
      context.fillStyle = candle.c >= candle.o ? theme.up : theme.down;
      context.fillRect(left + (wide - 1) / 2, y(candle.h), 1, Math.max(1, y(candle.l) - y(candle.h)));
      context.fillRect(left, top, wide, Math.max(1, bottom - top));
    }
  }

  #line(view) {
    const { context, theme, candles, plot, x, y } = view;
    if (candles.length === 0) return;
    context.beginPath();
    candles.forEach(({ slot, c }, i) => {
      const before = candles[i - 1];
      if (before && slot > before.slot + 1) context.lineTo(x(slot - 1), y(before.c)); // nothing moved meanwhile
      context.lineTo(x(slot), y(c));
    });
    context.strokeStyle = theme.accent;
    context.lineWidth = 1.6;
    context.lineJoin = 'round';
    context.stroke();
    context.lineTo(x(candles.at(-1).slot), plot.height);
    context.lineTo(x(candles[0].slot), plot.height);
    const gradient = context.createLinearGradient(0, plot.top, 0, plot.height);
    gradient.addColorStop(0, theme.accent);
    gradient.addColorStop(1, 'transparent');
    context.globalAlpha = 0.18;
    context.fillStyle = gradient;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 1 / view.ratio;
  }

  #extremes(view) {
    const { context, theme, candles, it, plot, x, y } = view;
    if (candles.length < 8 || this.mode === 'line') return;
    const top = candles.reduce((a, b) => (b.h > a.h ? b : a));
    const bottom = candles.reduce((a, b) => (b.l < a.l ? b : a));
    context.fillStyle = theme.muted;
    for (const [price, slot, away] of [[top.h, top.slot, -9], [bottom.l, bottom.slot, 10]]) {
      if (Math.abs(y(price) + away - y(it.last)) < 14) continue; // the tag of the last price says it
      const label = format.price(price, it.priceDecimals);
      const half = context.measureText(label).width / 2 + 4;
      context.textAlign = 'center';
      context.fillText(label, clamp(x(slot), half, plot.width - half), y(price) + away);
    }
  }

  #lastPrice(view) {
    const { context, theme, it, plot, y } = view;
    const newestBar = it.candles(this.interval, 1)[0];
    const color = newestBar.c >= newestBar.o ? theme.up : theme.down;
    const at = clamp(y(it.last), 8, plot.height - 8);
    context.strokeStyle = color;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(0, crisp(view, at));
    context.lineTo(plot.width, crisp(view, at));
    context.stroke();
    context.setLineDash([]);
    if (this.mode === 'line' && this.#skip === 0) {
      context.fillStyle = theme.accent;
      context.beginPath();
      context.arc(view.x(view.newest), at, 3, 0, 7);
      context.fill();
    }
    tag(view, at, format.price(it.last, it.priceDecimals), color, theme['on-color']);
  }

  #crosshair(view) {
    const { context, theme, it, plot, candles, newest, spacing } = view;
    const pointer = this.#pointer;
    const inside = pointer && pointer.x < plot.width && pointer.y < plot.height;
    let shown = candles.at(-1);
    if (inside) {
      const slot = Math.round(newest + 0.5 - (plot.width - 14 - pointer.x) / spacing);
      shown = candles.find((candle) => candle.slot === slot);
      const x = crisp(view, view.x(slot));
      const y = crisp(view, pointer.y);
      context.strokeStyle = theme.muted;
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(x, 0);
      context.lineTo(x, plot.height);
      context.moveTo(0, y);
      context.lineTo(plot.width, y);
      context.stroke();
      context.setLineDash([]);
      tag(view, pointer.y, format.price(view.priceAt(pointer.y), it.priceDecimals), theme.tag, theme['tag-text']);
      const label = format.timeOfDay(slot * this.interval * 1000);
      const wide = context.measureText(label).width + 14;
      const left = clamp(x - wide / 2, 0, plot.width - wide);
      context.fillStyle = theme.tag;
      roundRect(context, left, plot.height + 2, wide, 19);
      context.fillStyle = theme['tag-text'];
      context.textAlign = 'center';
      context.fillText(label, left + wide / 2, plot.height + 12);
    }
    this.#describe(shown, it);
  }

  #describe(candle, it) {
    const legend = this.#legend;
    if (!candle) {
      legend.textContent = '';
      return;
    }
    if (legend.childElementCount !== 5) {
      legend.replaceChildren(...['O', 'H', 'L', 'C', 'Vol'].map((name) => {
        const item = document.createElement('span');
        item.append(name, document.createElement('b'));
        return item;
      }));
    }
    const values = legend.querySelectorAll('b');
    const price = (number) => format.price(number, it.priceDecimals);
    [price(candle.o), price(candle.h), price(candle.l), price(candle.c), format.size(candle.v, it.quantityDecimals)]
      .forEach((text, i) => format.setText(values[i], text));
    legend.dataset.direction = candle.c >= candle.o ? 'up' : 'down';
  }
}

/** A price on the axis in a coloured box. */
function tag({ context, plot, axis }, y, label, background, color) {
  context.fillStyle = background;
  roundRect(context, plot.width + 2, y - 9.5, axis - 4, 19);
  context.fillStyle = color;
  context.textAlign = 'left';
  context.fillText(label, plot.width + 8, y + 0.5);
}

function roundRect(context, x, y, width, height) {
  context.beginPath();
  context.roundRect(x, y, width, height, 3);
  context.fill();
}

/** An odd number of pixels: the wick stands in the middle. */
function bodyWidth(spacing) {
  return Math.max(1, Math.round((spacing * 0.68 - 1) / 2) * 2 + 1);
}

/** The middle of a device pixel, so that a hairline is one pixel and not two grey ones. */
function crisp({ ratio }, at) {
  return (Math.floor(at * ratio) + 0.5) / ratio;
}

/** 1, 2 or 5 times a power of ten, not finer than one tick. */
function niceStep(wanted, tick) {
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= wanted);
  return Math.max(step, tick);
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
