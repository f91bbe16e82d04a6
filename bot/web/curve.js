// curve.js: curves on a canvas. A series is a list of buckets [first, last, min, max, mean, newest, count, notFinite] as
// /api/runs/N/series.json gives them; live rows are appended as buckets of one and merged in pairs when there are too
// many, so that memory and drawing stay bounded and extremes stay visible.

import { number, metricName, t } from './text.js';

const MOST = 900;

function merged(a, b) {
  const n = a[6] + b[6];
  const low = a[2] === null ? b[2] : b[2] === null ? a[2] : Math.min(a[2], b[2]);
  const high = a[3] === null ? b[3] : b[3] === null ? a[3] : Math.max(a[3], b[3]);
  const mean = a[4] === null ? b[4] : b[4] === null ? a[4] : (a[4] * a[6] + b[4] * b[6]) / n;
  return [a[0], b[1], low, high, mean, b[5] === null ? a[5] : b[5], n, a[7] + b[7]];
}

export class Series {
  constructor(buckets = []) {
    this.buckets = buckets;
  }

  get last() {
    return this.buckets.length ? this.buckets[this.buckets.length - 1] : null;
  }

  /** value: a number, or "nan", "inf", "-inf". Returns false when the step does not follow (the run went back). */
  add(step, value) {
    const last = this.last;
    if (last && step <= last[1]) return false;
    const finite = typeof value === 'number';
    this.buckets.push(finite ? [step, step, value, value, value, value, 1, 0] : [step, step, null, null, null, null, 1, 1]);
    if (this.buckets.length > MOST) {
      const half = [];
      for (let i = 0; i + 1 < this.buckets.length; i += 2) half.push(merged(this.buckets[i], this.buckets[i + 1]));
      if (this.buckets.length % 2) half.push(this.last);
      this.buckets = half;
    }
    return true;
  }

  /** Exponential smoothing over the steps' distance, without the bias of its beginning. */
  smoothed() {
    const all = this.buckets;
    if (!all.length) return [];
    const span = Math.max(1, (all[all.length - 1][1] - all[0][0]) / 50);
    let sum = 0, weight = 0, before = all[0][0];
    const out = [];
    for (const b of all) {
      if (b[4] === null) continue;
      const x = (b[0] + b[1]) / 2;
      const keep = Math.exp(-(x - before) / span);
      before = x;
      sum = sum * keep + b[4];
      weight = weight * keep + 1;
      out.push([x, sum / weight]);
    }
    return out;
  }
}

function range(buckets, robust) {
  const lows = buckets.map((b) => b[2]).filter((v) => v !== null);
  const highs = buckets.map((b) => b[3]).filter((v) => v !== null);
  if (!lows.length) return null;
  let low = Math.min(...lows), high = Math.max(...highs);
  if (robust && highs.length > 20) { // one spike at the start must not flatten the rest
    const sorted = [...highs].sort((a, b) => a - b);
    const top = sorted[Math.floor(sorted.length * 0.98)];
    if (high > low + 4 * (top - low)) high = top + (top - low) * 0.3;
  }
  if (low === high) {
    low -= Math.abs(low) * 0.05 || 0.5;
    high += Math.abs(high) * 0.05 || 0.5;
  }
  return [low, high];
}

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const out = [];
  for (let v = Math.ceil(low / size) * size; v <= high + size * 1e-6; v += size) out.push(Math.abs(v) < size * 1e-6 ? 0 : v);
  return out;
}

function axisOf(name, series) {
  const reach = range(series.buckets, true);
  if (!reach) return null;
  let [low, high] = reach;
  const log = /loss/.test(name) && low > 0 && high / low > 50;
  if (/acc/.test(name) && low >= 0 && high <= 1) high = Math.min(1, high + (high - low) * 0.08);
  const map = log ? Math.log10 : (v) => v;
  const bottom = map(low), top = map(high), pad = (top - bottom) * 0.05;
  return { log, bottom: bottom - pad, top: top + pad, map };
}

function axisTicks(axis) {
  if (!axis.log) return ticks(axis.bottom, axis.top, 4);
  const out = [];
  for (let p = Math.floor(axis.bottom); p <= Math.ceil(axis.top); p++) out.push(10 ** p);
  return out.filter((v) => axis.map(v) >= axis.bottom && axis.map(v) <= axis.top);
}

function drawBand(g, series, X, Y, color) {
  g.beginPath();
  const all = series.buckets.filter((b) => b[2] !== null);
  all.forEach((b, i) => (i ? g.lineTo(X((b[0] + b[1]) / 2), Y(b[3])) : g.moveTo(X((b[0] + b[1]) / 2), Y(b[3]))));
  for (let i = all.length - 1; i >= 0; i--) g.lineTo(X((all[i][0] + all[i][1]) / 2), Y(all[i][2]));
  g.closePath();
  g.fillStyle = color;
  g.strokeStyle = color;
  g.globalAlpha = 0.28;
  g.fill();
  g.lineWidth = 1;
  g.globalAlpha = 0.4;
  g.stroke();
  g.globalAlpha = 1;
}

function drawLine(g, points, X, Y, color) {
  g.beginPath();
  points.forEach(([x, y], i) => (i ? g.lineTo(X(x), Y(y)) : g.moveTo(X(x), Y(y))));
  g.strokeStyle = color;
  g.lineWidth = 2.2;
  g.lineJoin = 'round';
  g.stroke();
}

/**
 * Draws up to two series, the first on the left axis, the second on the right.
 * lines: [{name, series}], marks: [{step, text}]
 */
export function drawCurve(canvas, lines, marks = []) {
  const style = getComputedStyle(document.documentElement);
  const ink = (name) => style.getPropertyValue(name).trim();
  const ratio = Math.min(devicePixelRatio || 1, 3);
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (!width || !height) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const g = canvas.getContext('2d');
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = '11px system-ui, sans-serif';
  const shown = lines.map((line) => ({ ...line, axis: axisOf(line.name, line.series) })).filter((line) => line.axis).slice(0, 2);
  if (!shown.length) {
    g.fillStyle = ink('--muted');
    g.textAlign = 'center';
    g.fillText(t('nothing'), width / 2, height / 2);
    return;
  }
  const colors = [ink('--first'), ink('--second')];
  const left = 42, right = shown.length > 1 ? 42 : 12, top = 20, bottom = 18;
  const from = Math.min(...shown.map((line) => line.series.buckets[0][0]));
  const to = Math.max(...shown.map((line) => line.series.last[1]), from + 1);
  const X = (step) => left + ((step - from) / (to - from)) * (width - left - right);
  shown.forEach((line, i) => {
    const { axis } = line;
    const Y = (v) => Math.max(top, Math.min(height - bottom,
      height - bottom - ((axis.map(axis.log ? Math.max(v, 1e-30) : v) - axis.bottom) / (axis.top - axis.bottom)) * (height - top - bottom)));
    line.Y = Y;
    g.textAlign = i ? 'left' : 'right';
    axisTicks(axis).forEach((v) => {
      const y = Y(v);
      if (!i) {
        g.strokeStyle = ink('--line');
        g.lineWidth = 1;
        g.beginPath();
        g.moveTo(left, y);
        g.lineTo(width - right, y);
        g.stroke();
      }
      g.fillStyle = ink('--muted');
      g.fillText(number(Number(v.toPrecision(3))), i ? width - right + 5 : left - 5, y + 4);
    });
  });
  g.fillStyle = ink('--muted');
  const stepTicks = ticks(from, to, Math.max(3, Math.floor(width / 90)));
  stepTicks.filter((v) => v > 0 && Number.isInteger(v)).forEach((v) => {
    const x = X(v);
    g.textAlign = x > width - right - 20 ? 'right' : x < left + 12 ? 'left' : 'center';
    g.fillText(number(v), x, height - 4);
  });
  for (const mark of marks) {
    if (mark.step < from || mark.step > to) continue;
    const x = X(mark.step);
    g.strokeStyle = ink('--muted');
    g.setLineDash([3, 3]);
    g.beginPath();
    g.moveTo(x, top);
    g.lineTo(x, height - bottom);
    g.stroke();
    g.setLineDash([]);
    g.textAlign = x > width * 0.7 ? 'right' : 'left';
    g.fillText(mark.text, x + (x > width * 0.7 ? -4 : 4), top + 10);
  }
  shown.forEach((line, i) => {
    drawBand(g, line.series, X, line.Y, colors[i]);
    drawLine(g, line.series.smoothed(), X, line.Y, colors[i]);
    line.series.buckets.filter((b) => b[7]).forEach((b) => { // what was not a number
      g.fillStyle = ink('--alert');
      g.textAlign = 'center';
      g.fillText('×', X(b[0]), height - bottom - 1);
    });
    g.textAlign = i ? 'right' : 'left';
    g.fillStyle = colors[i];
    g.font = '600 11px system-ui, sans-serif';
    g.fillText(`${metricName(line.name)}${line.axis.log ? ` · ${t('log')}` : ''}`, i ? width - right : left, 12);
    g.font = '11px system-ui, sans-serif';
  });
}
