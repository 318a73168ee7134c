// The headline of the selected instrument: last price, change, day range and the facts beside it.

import * as format from './format.js';

const $ = (id) => document.getElementById(id);

export class Quote {
  show(it) {
    $('quote-symbol').textContent = it.symbol;
    $('quote-name').textContent = it.name;
    this.render(it);
  }

  render(it) {
    const last = $('quote-last');
    const price = (text) => format.price(Number(text), it.priceDecimals);
    format.setText(last, format.price(it.last, it.priceDecimals));
    last.dataset.price = String(it.last);
    last.dataset.direction = it.direction > 0 ? 'up' : it.direction < 0 ? 'down' : '';
    const ticker = it.ticker;
    document.title = Number.isFinite(it.last) ? `${format.price(it.last, it.priceDecimals)} ${it.symbol}` : 'Market feed';
    if (!ticker) {
      for (const id of ['quote-change', 'quote-bid', 'quote-ask', 'quote-open', 'quote-volume', 'quote-low', 'quote-high']) $(id).textContent = '';
      return;
    }
    const moved = it.last - Number(ticker.open);
    const sign = moved > 0 ? '+' : moved < 0 ? '−' : '';
    format.setText($('quote-change'), `${sign}${format.price(Math.abs(moved), it.priceDecimals)}  ${format.percent(ticker.change)}`);
    $('panel-quote').dataset.trend = Number(ticker.change) < 0 ? 'down' : 'up';
    format.setText($('quote-bid'), price(ticker.bid));
    format.setText($('quote-ask'), price(ticker.ask));
    format.setText($('quote-open'), price(ticker.open));
    format.setText($('quote-volume'), format.size(Number(ticker.volume), it.quantityDecimals));
    format.setText($('quote-low'), price(ticker.low));
    format.setText($('quote-high'), price(ticker.high));

    const [low, high] = [Number(ticker.low), Number(ticker.high)];
    const place = (value) => (high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 0.5);
    const [from, to] = [place(Number(ticker.open)), place(it.last)];
    $('range-fill').style.transform = `translateX(${(Math.min(from, to) * 100).toFixed(2)}%) scaleX(${Math.abs(to - from).toFixed(4)})`;
    $('range-dot').style.left = `${(to * 100).toFixed(2)}%`;
  }
}
