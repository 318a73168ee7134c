// Canvas helpers: device-pixel sizing, theme colours, and the little line drawings.

const boxes = new WeakMap(); // canvas -> {width, height} in CSS pixels
const observer = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) boxes.set(target, contentRect);
});

/**
 * The canvas's box as last observed, or null while it is out of sight. To ask the element itself would
 * make the browser lay the page out in the middle of a frame, once per canvas.
 */
export function box(canvas) {
  let known = boxes.get(canvas);
  if (!known) {
    known = { width: canvas.clientWidth, height: canvas.clientHeight };
    boxes.set(canvas, known);
    observer.observe(canvas);
  }
  return known.width > 0 && known.height > 0 ? known : null;
}

/** Fits the bitmap to its box in device pixels. Returns the context scaled to CSS pixels, or null if it has no box. */
export function fit(canvas) {
  const room = box(canvas);
  if (!room) return null;
  const { width, height } = room;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height, ratio };
}

let cached = null;
addEventListener('themechange', () => { cached = null; });

/** The stylesheet's custom properties, read once per theme. */
export function colors() {
  if (!cached) {
    const style = getComputedStyle(document.documentElement);
    const names = ['panel', 'line', 'text', 'muted', 'up', 'down', 'accent', 'grid', 'tag', 'tag-text', 'on-color'];
    cached = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    cached.font = style.getPropertyValue('--font').trim();
  }
  return cached;
}

/** A sparkline over the whole box; `base`, when in sight, is drawn as a dotted line. */
export function sparkline(canvas, values, color, { base = NaN, fill = true } = {}) {
  const fitted = fit(canvas);
  if (!fitted || values.length < 2) return;
  const { context, width, height } = fitted;
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const span = high - low || Math.abs(high) * 1e-6 || 1;
  const pad = 2.5;
  const y = (value) => pad + (1 - (value - low) / span) * (height - 2 * pad);
  const step = (width - 3) / (values.length - 1);

  if (base >= low && base <= high) {
    context.strokeStyle = colors().line;
    context.setLineDash([2, 2]);
    context.beginPath();
    context.moveTo(0, Math.round(y(base)) + 0.5);
    context.lineTo(width, Math.round(y(base)) + 0.5);
    context.stroke();
    context.setLineDash([]);
  }
  context.beginPath();
  values.forEach((value, i) => context.lineTo(1 + i * step, high === low ? height / 2 : y(value)));
  context.strokeStyle = color;
  context.lineWidth = 1.25;
  context.lineJoin = 'round';
  context.stroke();
  if (fill) {
    context.lineTo(1 + (values.length - 1) * step, height);
    context.lineTo(1, height);
    const gradient = context.createLinearGradient(0, 0, 0, height);
    gradient.addColorStop(0, color);
    gradient.addColorStop(1, 'transparent');
    context.globalAlpha = 0.16;
    context.fillStyle = gradient;
    context.fill();
    context.globalAlpha = 1;
  }
}
