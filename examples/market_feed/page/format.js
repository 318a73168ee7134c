// Numbers as a desk reads them. Prices stay the wire's own digits; nothing is rounded behind the reader's back.

/** "61234.50" -> "61,234.50". */
export function grouping(decimal) {
  const text = String(decimal);
  const point = text.indexOf('.');
  const whole = point < 0 ? text : text.slice(0, point);
  if (whole.replace('-', '').length <= 3) return text;
  return whole.replace(/\B(?=(\d{3})+$)/g, ',') + (point < 0 ? '' : text.slice(point));
}

export function price(number, decimals) {
  return Number.isFinite(number) ? grouping(number.toFixed(decimals)) : '–';
}

/** Sizes keep about six digits: "0.4120", "1,234.5", "58.2K", "1.35M". */
export function size(number, decimals) {
  if (!Number.isFinite(number)) return '–';
  if (number >= 1e9) return `${(number / 1e9).toFixed(2)}B`;
  if (number >= 1e6) return `${(number / 1e6).toFixed(2)}M`;
  if (number >= 1e5) return `${(number / 1e3).toFixed(1)}K`;
  const digits = number >= 1e4 ? 1 : number >= 1e3 ? 2 : number >= 100 ? 3 : decimals;
  return grouping(number.toFixed(Math.min(decimals, digits)));
}

export function percent(change) {
  const number = Number(change);
  if (change === undefined || change === null || !Number.isFinite(number)) return '–';
  // A true minus sign is as wide as the plus: columns do not jitter.
  return `${number > 0 ? '+' : number < 0 ? '−' : ''}${Math.abs(number).toFixed(2)}%`;
}

/** An amount of bytes and its unit. */
export function bytes(amount) {
  if (amount >= 1e6) return [(amount / 1e6).toFixed(2), 'MB'];
  if (amount >= 1e3) return [(amount / 1e3).toFixed(amount >= 1e5 ? 0 : 1), 'kB'];
  return [amount.toFixed(0), 'B'];
}

const two = (n) => String(n).padStart(2, '0');

/** Local time of day, "14:03:22" or, with milliseconds, "14:03:22.041". */
export function timeOfDay(ms, { seconds = true, millis = false } = {}) {
  const date = new Date(ms);
  let text = `${two(date.getHours())}:${two(date.getMinutes())}`;
  if (seconds) text += `:${two(date.getSeconds())}`;
  if (millis) text += `.${String(date.getMilliseconds()).padStart(3, '0')}`;
  return text;
}

/** Sets text only when it differs: an untouched node costs no layout. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
