// The connection: one WebSocket that comes back by itself, its health and its traffic counters.
// Knows the envelope (welcome, ping, pong) and nothing about markets. The socket itself is a worker's.

const PROTOCOL = 'tickwire.feed.json.v1';
const FIRST_DELAY = 400; // ms
const LONGEST_DELAY = 15_000; // ms
const STABLE_AFTER = 4_000; // ms live before the backoff starts over
const OPEN_WITHIN = 8_000; // ms from dialling to `welcome`
const PING_EVERY = 2_000; // ms
const SILENT_FOR = 10_000; // ms of a ping without any message back: the connection is dead

export class Feed {
  state = 'connecting'; // 'connecting' | 'live' | 'reconnecting'
  messages = 0;
  bytes = 0;
  latency = null; // ms
  reconnects = 0;
  connection = null; // its name in the server's figures
  retryAt = 0; // performance.now() of the next attempt; 0 while one is under way

  #url;
  #on;
  #worker = new Worker('socket.js');
  #dialled = 0; // counts the sockets; an older one's last words are not heard
  #isConnected = false;
  #attempt = 0;
  #wasLive = false;
  #retryTimer = 0;
  #openTimer = 0;
  #stableTimer = 0;
  #heardAt = 0;
  #pingAt = 0;
  #sleepsUntil = 0;
  #stopped = false;

  /**
   * `on.message(object)` for each message but pong; `on.state(state)` for each step of it; `on.woke()` when it
   * reads again after a sleep.
   */
  constructor(url, on) {
    this.#url = url;
    this.#on = on;
    this.#worker.onmessage = ({ data }) => {
      if (data.woke) this.#wake();
      else if (data.id !== this.#dialled || !this.#isConnected) return;
      else if (data.closed) this.#lost();
      else this.#receive(data.text);
    };
  }

  start() {
    setInterval(() => this.#beat(), PING_EVERY);
    addEventListener('online', () => this.retryNow());
    // A page kept in the back/forward cache may not hold a socket.
    addEventListener('pagehide', () => this.#stop());
    addEventListener('pageshow', (event) => {
      if (event.persisted) { this.#stopped = false; this.#dial(); }
    });
    this.#dial();
  }

  /** Sends a request if the connection is live; a reconnect asks for everything anew anyway. */
  send(request) {
    if (this.#isConnected) this.#worker.postMessage({ send: JSON.stringify(request) });
  }

  /** Milliseconds for which it reads nothing yet. */
  get sleepLeft() {
    return Math.max(0, this.#sleepsUntil - performance.now());
  }

  /** Reads nothing for so many milliseconds. */
  sleep(time) {
    this.#sleepsUntil = performance.now() + time;
    this.#worker.postMessage({ sleep: time });
  }

  /** Skips the rest of the wait. */
  retryNow() {
    if (this.state === 'reconnecting' && this.#retryTimer) this.#dial();
  }

  #dial() {
    clearTimeout(this.#retryTimer);
    this.#retryTimer = 0;
    if (this.#stopped) return;
    this.retryAt = 0;
    this.#become(this.#attempt > 0 ? 'reconnecting' : 'connecting');
    this.#dialled += 1;
    this.#isConnected = true;
    this.#worker.postMessage({ open: this.#url, protocol: PROTOCOL, id: this.#dialled });
    this.#openTimer = setTimeout(() => this.#abandon(), OPEN_WITHIN);
  }

  #wake() {
    this.#heardAt = performance.now();
    this.#sleepsUntil = 0;
    this.#on.woke();
  }

  #receive(data) {
    this.#heardAt = performance.now();
    this.messages += 1;
    this.bytes += data.length;
    let message;
    try {
      message = JSON.parse(data);
    } catch {
      this.#on.message({ type: 'error', code: 'unreadable', message: 'The server sent a message that is not JSON.' });
      return;
    }
    if (message.type === 'pong') {
      this.latency = this.#heardAt - message.t;
      return;
    }
    if (message.type === 'welcome' && this.state !== 'live') {
      clearTimeout(this.#openTimer);
      this.#stableTimer = setTimeout(() => { this.#attempt = 0; }, STABLE_AFTER);
      if (this.#wasLive) this.reconnects += 1;
      this.#wasLive = true;
      this.connection = message.connection;
      this.#become('live');
      this.#on.message(message);
      this.#ping();
      return;
    }
    this.#on.message(message);
  }

  #lost() {
    clearTimeout(this.#openTimer);
    clearTimeout(this.#stableTimer);
    this.#isConnected = false;
    this.connection = null;
    this.latency = null;
    this.#pingAt = 0;
    if (this.#stopped) return;
    const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 1.8 ** this.#attempt);
    this.#attempt += 1;
    // Half fixed, half random: a thousand pages do not come back in the same moment.
    const delay = ceiling * (0.5 + Math.random() / 2);
    this.retryAt = performance.now() + delay;
    this.#retryTimer = setTimeout(() => this.#dial(), delay);
    this.#become('reconnecting');
  }

  /** Gives the socket up without waiting for its close handshake. */
  #abandon() {
    this.#worker.postMessage({ close: 1000 });
    this.#lost();
  }

  #beat() {
    if (this.state !== 'live' || this.#sleepsUntil > 0) return;
    const now = performance.now();
    if (this.#pingAt > this.#heardAt && now - this.#pingAt > SILENT_FOR) this.#abandon();
    else if (this.#pingAt <= this.#heardAt) this.#ping();
  }

  #ping() {
    this.#pingAt = performance.now();
    this.send({ op: 'ping', t: this.#pingAt });
  }

  #stop() {
    this.#stopped = true;
    clearTimeout(this.#retryTimer);
    this.#worker.postMessage({ close: 1000 });
  }

  #become(state) {
    this.state = state;
    this.#on.state(state);
  }
}
