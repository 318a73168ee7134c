// The trading screen: wires the feed to the model, and the model to the views once per frame.

import { Book } from './book.js';
import { sparkline, colors } from './canvas.js';
import { Chart, INTERVALS } from './chart.js';
import { Feed } from './feed.js';
import * as format from './format.js';
import { keyboard } from './keyboard.js';
import { Ladder } from './ladder.js';
import { Instrument } from './market.js';
import { Quote } from './quote.js';
import { SlowReader } from './slow.js';
import { Tape } from './tape.js';
import { WatchList } from './watch.js';

const FRAME = 50; // ms: no eye reads prices faster, and a quiet screen is a calm one
const SLOW_FRAME = 250; // ms: sparklines
const RESYNC_PAUSE = 1_000; // ms between two attempts to get one book right

const $ = (id) => document.getElementById(id);
const storage = {
  read(key) { try { return localStorage.getItem(key); } catch { return null; } },
  write(key, value) { try { localStorage.setItem(key, value); } catch { /* lasts for this page only */ } },
};

const instruments = new Map(); // symbol -> Instrument, in the server's order
const book = new Book();
let selected = null; // symbol
let subscribed = null; // symbol whose book and trades this connection sends
let tradeSeq = null;
let source = null;
let run = null; // of the server: sequence numbers mean nothing across two of them
let lastTrade = null; // {run, symbol, seq}: where to go on after a reconnect
let gaps = 0;
let mismatches = 0;
let resyncedAt = -Infinity;
let resyncTimer = 0;

// ---------------------------------------------------------------- views

const stale = { prices: false, book: false, tape: false, chart: false };
const watch = new WatchList({ list: $('watch-list'), empty: $('watch-empty'), count: $('watch-count'), onSelect: select });
const quote = new Quote();
const chart = new Chart({
  canvas: $('chart'), legend: $('chart-legend'), live: $('chart-live'), redraw: () => touch('chart'),
});
const ladder = new Ladder({
  ladder: $('ladder'), asks: $('asks'), bids: $('bids'), mid: $('mid'), spread: $('spread'), grouping: $('grouping'),
  balanceBid: $('balance-bid'), balanceBidText: $('balance-bid-text'), balanceAskText: $('balance-ask-text'),
}, () => touch('book'));
const tape = new Tape({ list: $('tape'), empty: $('tape-empty'), pressure: $('pressure') });

let frame = 0;
let framedAt = 0;
let slowFramedAt = 0;

/** Marks a view stale and makes sure that a frame will come. */
function touch(view) {
  stale[view] = true;
  if (frame === 0) frame = requestAnimationFrame(render);
}

function render(now) {
  frame = 0;
  if (now - framedAt < FRAME) {
    // The crosshair alone follows the hand at full speed.
    if (stale.chart) stale.chart = chart.draw();
    frame = requestAnimationFrame(render);
    return;
  }
  framedAt = now;
  const it = instruments.get(selected);
  if (stale.prices) {
    watch.render();
    if (it) quote.render(it);
  }
  if (now - slowFramedAt >= SLOW_FRAME) {
    slowFramedAt = now;
    watch.renderSparklines();
  }
  if (stale.book || stale.prices) ladder.render(book);
  if (stale.tape) tape.render();
  const drawChart = stale.chart || stale.prices;
  stale.prices = stale.book = stale.tape = stale.chart = false;
  if (drawChart && chart.draw()) touch('chart');
}

// ---------------------------------------------------------------- feed

const address = new URLSearchParams(location.search).get('ws')
  ?? `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/ws`;
const feed = new Feed(address, { message: receive, state: connectionChanged, woke: () => slow.woke() });
const slow = new SlowReader(feed, {
  symbols: () => ({ all: [...instruments.keys()], shown: subscribed }),
  shown: () => $('book-seal').dataset.state === 'verified',
  change: slowReaderChanged,
});

function receive(message) {
  switch (message.type) {
    case 'ticker': {
      const it = instruments.get(message.symbol);
      if (!it) return;
      it.applyTicker(message);
      touch('prices');
      return;
    }
    case 'trade':
      if (message.symbol === subscribed) takeTrade(message);
      else slow.take(message);
      return;
    case 'snapshot':
      if (message.symbol === subscribed) judge(book.snapshot(message));
      else slow.take(message);
      return;
    case 'delta':
      if (message.symbol === subscribed) judge(book.delta(message));
      else slow.take(message);
      return;
    case 'welcome':
      welcome(message);
      return;
    case 'symbols':
      takeSymbols(message.symbols);
      return;
    case 'notice':
      takeNotice(message);
      return;
    case 'error':
      notice(message.message ?? message.code);
      return;
    default: // subscribed, unsubscribed, and whatever a later server adds
  }
}

function welcome(message) {
  if (source !== null && source !== message.source) for (const it of instruments.values()) it.forget();
  source = message.source;
  run = message.run;
  $('source').hidden = !source;
  $('source').textContent = source ?? '';
  $('source').title = message.server ?? '';
  notice('');
  subscribed = null;
  tradeSeq = null;
  book.clear();
  feed.send({ op: 'list', id: 'list' });
}

function takeSymbols(list) {
  const before = new Map(instruments);
  instruments.clear();
  for (const entry of list) {
    const it = before.get(entry.symbol) ?? new Instrument(entry);
    it.describe(entry.name, entry.price_decimals, entry.quantity_decimals);
    instruments.set(entry.symbol, it);
  }
  watch.setInstruments(instruments);
  feed.send({ op: 'subscribe', channel: 'ticker', symbols: ['*'], id: 'ticker' });
  const wanted = selected ?? storage.read('symbol');
  const symbol = instruments.has(wanted) ? wanted : instruments.keys().next().value;
  if (symbol === undefined) return;
  selected = null; // the instrument may be a new one even if its name is not
  select(symbol, false);
}

function takeTrade(trade) {
  if (tradeSeq !== null && trade.seq !== tradeSeq + 1) countGap();
  tradeSeq = trade.seq;
  lastTrade = { run, symbol: trade.symbol, seq: trade.seq };
  instruments.get(trade.symbol).applyTrade(trade);
  tape.add(trade);
  touch('tape');
  touch('prices');
}

/** The server says what it left out, because this page was too slow for it or away. */
function takeNotice(message) {
  const { channel, symbol, missed, count, seq } = message;
  slow.notice(message);
  // What follows begins behind what is gone.
  if (missed === 'gap' && symbol === subscribed && tradeSeq === seq - count) tradeSeq = seq;
  const instead = { conflated: 'a newer one came instead', resynced: 'the book came anew' }[missed] ?? 'they are gone';
  notice(`${symbol}: ${format.grouping(count)} ${channel} message${count === 1 ? '' : 's'} left out, ${instead}.`);
}

/** What became of a book message: proof of the book, or a reason to ask for it again. */
function judge(verdict) {
  if (verdict === 'early') return;
  if (verdict === 'ok') {
    seal('verified', `verified #${book.seq}`);
    touch('book');
    return;
  }
  if (verdict === 'gap') {
    countGap();
    notice(`${subscribed}: a book message was missing; asked for the book again.`);
  } else {
    mismatches += 1;
    $('mismatches').textContent = String(mismatches);
    $('mismatches').dataset.alert = 'true';
    notice(`${subscribed}: the book did not match its checksum; asked for it again.`);
  }
  resync();
}

function countGap() {
  gaps += 1;
  $('gaps').textContent = String(gaps);
  $('gaps').dataset.alert = 'true';
}

/** Asks for the selected book again, at once or when the last attempt is long enough ago. */
function resync() {
  book.clear();
  seal('waiting', 'resyncing');
  clearTimeout(resyncTimer);
  resyncTimer = setTimeout(() => {
    resyncedAt = performance.now();
    feed.send({ op: 'unsubscribe', channel: 'book', symbols: [subscribed], id: 'resync' });
    feed.send({ op: 'subscribe', channel: 'book', symbols: [subscribed], id: 'resync' });
  }, Math.max(0, resyncedAt + RESYNC_PAUSE - performance.now()));
}

function seal(state, text) {
  const element = $('book-seal');
  element.dataset.state = state;
  format.setText(element, text);
}

// ---------------------------------------------------------------- selection

function select(symbol, byPointer) {
  if (byPointer && document.body.dataset.tab === 'watch') showTab('chart');
  if (symbol === selected) return;
  selected = symbol;
  storage.write('symbol', symbol);
  watch.select(symbol);
  const it = instruments.get(symbol);
  quote.show(it);
  chart.show(it);
  ladder.show(it);
  tape.show(it);
  subscribe(symbol);
  touch('prices');
  touch('book');
}

function subscribe(symbol) {
  clearTimeout(resyncTimer);
  if (subscribed !== null) {
    feed.send({ op: 'unsubscribe', channel: 'book', symbols: [subscribed], id: subscribed });
    feed.send({ op: 'unsubscribe', channel: 'trades', symbols: [subscribed], id: subscribed });
  }
  book.clear();
  tradeSeq = null;
  seal('waiting', 'waiting');
  subscribed = feed.state === 'live' ? symbol : null;
  if (subscribed === null) return;
  feed.send({ op: 'subscribe', channel: 'book', symbols: [symbol], id: symbol });
  const resumes = lastTrade !== null && lastTrade.run === run && lastTrade.symbol === symbol;
  if (resumes) tradeSeq = lastTrade.seq;
  feed.send({
    op: 'subscribe', channel: 'trades', symbols: [symbol], id: symbol,
    ...(resumes ? { after: { [symbol]: lastTrade.seq } } : {}),
  });
}

// ---------------------------------------------------------------- connection and status bar

function connectionChanged(state) {
  const button = $('connection');
  if (button.dataset.state !== state) {
    button.dataset.state = state;
    button.setAttribute('aria-disabled', String(state !== 'reconnecting'));
    $('announce').textContent = { connecting: '', live: 'Feed live', reconnecting: 'Feed lost, reconnecting' }[state];
    document.body.dataset.connection = state;
    $('reconnects').textContent = String(feed.reconnects ?? 0);
    if (state === 'reconnecting') {
      subscribed = null;
      clearTimeout(resyncTimer);
      seal('waiting', 'offline');
      slow.cutOff();
    }
  }
  showCountdown();
}

function showCountdown() {
  const state = $('connection').dataset.state;
  let text = { connecting: 'Connecting', live: 'Live', reconnecting: 'Reconnecting' }[state];
  const isAsleep = state === 'live' && feed.sleepLeft > 0;
  if (isAsleep) text = 'Not reading';
  $('connection').toggleAttribute('data-asleep', isAsleep);
  if (state === 'reconnecting' && feed.retryAt) {
    text += ` in ${Math.max(1, Math.ceil((feed.retryAt - performance.now()) / 1000))} s`;
  }
  format.setText($('connection-text'), text);
}

function notice(text) {
  format.setText($('notice'), text);
  $('notice').title = text;
}

const rates = [];
let counted = { at: performance.now(), messages: 0, bytes: 0 };

function measure() {
  const at = performance.now();
  const seconds = (at - counted.at) / 1000;
  const rate = (feed.messages - counted.messages) / seconds;
  const [amount, unit] = format.bytes((feed.bytes - counted.bytes) / seconds);
  counted = { at, messages: feed.messages, bytes: feed.bytes };
  if (rates.push(rate) > 40) rates.shift();
  format.setText($('rate'), format.grouping(rate.toFixed(0)));
  format.setText($('bytes'), amount);
  format.setText($('bytes-unit'), `${unit}/s`);
  format.setText($('latency'), feed.latency === null ? '–' : feed.latency.toFixed(feed.latency < 10 ? 1 : 0));
  sparkline($('rate-spark'), rates, colors().muted, { fill: false });
}

setInterval(measure, 1000);
setInterval(() => {
  showCountdown();
  format.setText($('clock'), format.timeOfDay(Date.now()));
}, 250);

$('connection').addEventListener('click', () => feed.retryNow());
$('slow-reader').addEventListener('click', () => slow.start());

function slowReaderChanged() {
  $('slow-reader').setAttribute('aria-pressed', String(slow.isRunning));
  showCountdown();
}

// ---------------------------------------------------------------- controls

function press(group, attribute, value) {
  for (const button of group.children) button.setAttribute('aria-pressed', String(button.dataset[attribute] === String(value)));
}

function setMode(mode) {
  chart.setMode(mode);
  press($('modes'), 'mode', mode);
  storage.write('chart-mode', mode);
}

function chooseInterval(seconds) {
  chart.setInterval(seconds);
  press($('intervals'), 'seconds', seconds);
  storage.write('chart-interval', String(seconds));
}

function showTab(tab) {
  document.body.dataset.tab = tab;
  for (const button of document.querySelectorAll('.tabs button')) {
    if (button.dataset.tab === tab) button.setAttribute('aria-current', 'true');
    else button.removeAttribute('aria-current');
  }
  touch('prices');
  touch('book');
}

for (const [seconds, label] of INTERVALS) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = label;
  button.dataset.seconds = String(seconds);
  $('intervals').append(button);
}
$('intervals').addEventListener('click', (event) => {
  if (event.target.dataset.seconds) chooseInterval(Number(event.target.dataset.seconds));
});
$('modes').addEventListener('click', (event) => {
  if (event.target.dataset.mode) setMode(event.target.dataset.mode);
});
document.querySelector('.tabs').addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (button) showTab(button.dataset.tab);
});
$('theme').addEventListener('click', () => window.toggleTheme());
addEventListener('themechange', () => {
  watch.repaint();
  measure();
  touch('chart');
});
new ResizeObserver(() => {
  watch.repaint();
  touch('chart');
}).observe(document.body);
new ResizeObserver(() => touch('chart')).observe($('chart-body'));

keyboard({
  step: (by) => watch.step(by),
  edge: (last) => watch.edge(last),
  filter: (text) => watch.filter(text),
  selectFirst: () => watch.selectFirst(),
  toggleMode: () => setMode(chart.mode === 'line' ? 'candles' : 'line'),
  interval: (n) => chooseInterval(INTERVALS[n][0]),
  zoom: (factor) => chart.zoom(factor),
  beSlow: () => slow.start(),
});
setMode(storage.read('chart-mode') === 'line' ? 'line' : 'candles');
chooseInterval(INTERVALS.find(([seconds]) => String(seconds) === storage.read('chart-interval'))?.[0] ?? 1);
feed.start();
