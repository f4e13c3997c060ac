// Scaling and cutting as Pillow does it, to the bit: a canvas scales otherwise in every browser.

import { blank } from "./pixels.js";

/** @import { Pixels } from "./road.d.ts" */
/** @typedef {"bilinear" | "bicubic"} Filter */

const PRECISION = 22; // bits of the coefficients' fraction
/** @type {Record<Filter, {support: number, weigh: (distance: number) => number}>} */
const FILTERS = {
  bilinear: { support: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, weigh: bicubic },
};

/** Rounded, halves to the even neighbour, as Python and numpy do it. @param {number} value */
export function rint(value) {
  const floor = Math.floor(value);
  if (value - floor !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Keys' kernel with a = -0.5. @param {number} distance */
function bicubic(distance) {
  const x = Math.abs(distance);
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/**
 * Pillow's `resize`: antialiased where it shrinks, rows and columns one after the other, both rounded.
 * @type {(pixels: Pixels, width: number, height: number, filter: Filter) => Pixels}
 */
export function resize(pixels, width, height, filter) {
  const saved = { rows: pixels.height - height, columns: pixels.width - width };
  if (saved.rows > 0 && saved.rows > 2 * saved.columns) { // found by trying, in Pillow 13
    return resizeRows(resizeColumns(pixels, height, filter), width, filter);
  }
  return resizeColumns(resizeRows(pixels, width, filter), height, filter);
}

/** @type {(pixels: Pixels, width: number, filter: Filter) => Pixels} */
function resizeRows(pixels, width, filter) {
  if (width === pixels.width) return pixels;
  const result = blank(width, pixels.height);
  const taps = tapsOf(pixels.width, width, filter);
  for (let y = 0; y < pixels.height; y += 1) {
    weighLine(pixels.data, 3 * y * pixels.width, 3, result.data, 3 * y * width, 3, taps);
  }
  return result;
}

/** @type {(pixels: Pixels, height: number, filter: Filter) => Pixels} */
function resizeColumns(pixels, height, filter) {
  if (height === pixels.height) return pixels;
  const { width } = pixels;
  const result = blank(width, height);
  const taps = tapsOf(pixels.height, height, filter);
  for (let x = 0; x < width; x += 1) {
    weighLine(pixels.data, 3 * x, 3 * width, result.data, 3 * x, 3 * width, taps);
  }
  return result;
}

/** @typedef {{first: Int32Array, weights: Int32Array[]}} Taps of each value of a line */

/** @type {(length: number, newLength: number, filter: Filter) => Taps} */
function tapsOf(length, newLength, filter) {
  const { support, weigh } = FILTERS[filter];
  const scale = length / newLength;
  const stretch = Math.max(scale, 1);
  const first = new Int32Array(newLength);
  const weights = [];
  for (let i = 0; i < newLength; i += 1) {
    const centre = (i + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support * stretch + 0.5));
    const high = Math.min(length, Math.trunc(centre + support * stretch + 0.5));
    const raw = Array.from({ length: high - low }, (_, at) =>
      weigh((at + low - centre + 0.5) * (1 / stretch)),
    );
    const sum = raw.reduce((total, one) => total + one, 0);
    first[i] = low;
    weights.push(Int32Array.from(raw, (one) => fixed(sum ? one / sum : one)));
  }
  return { first, weights };
}

/** @param {number} weight */
const fixed = (weight) => Math.trunc((weight < 0 ? -0.5 : 0.5) + weight * 2 ** PRECISION);

/**
 * One row or column, whose pixels begin at `start` and are `step` apart.
 * @type {(source: Uint8Array, start: number, step: number, target: Uint8Array, targetStart: number, targetStep: number, taps: Taps) => void}
 */
function weighLine(source, start, step, target, targetStart, targetStep, { first, weights }) {
  for (let i = 0; i < weights.length; i += 1) {
    const line = weights[i];
    let red = 1 << (PRECISION - 1);
    let [green, blue] = [red, red];
    let at = start + first[i] * step;
    for (let tap = 0; tap < line.length; tap += 1, at += step) {
      const weight = line[tap];
      red += source[at] * weight;
      green += source[at + 1] * weight;
      blue += source[at + 2] * weight;
    }
    const to = targetStart + i * targetStep;
    target[to] = clip(red >> PRECISION);
    target[to + 1] = clip(green >> PRECISION);
    target[to + 2] = clip(blue >> PRECISION);
  }
}

/** @param {number} value */
const clip = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);

/**
 * The mean of each block of pixels, as Pillow's `reduce`.
 * @type {(pixels: Pixels, factor: number) => Pixels}
 */
export function reduce({ data, width, height }, factor) {
  const result = blank(Math.ceil(width / factor), Math.ceil(height / factor));
  for (let y = 0; y < result.height; y += 1) {
    const bottom = Math.min(height, (y + 1) * factor);
    for (let x = 0; x < result.width; x += 1) {
      const right = Math.min(width, (x + 1) * factor);
      let [red, green, blue] = [0, 0, 0];
      for (let row = y * factor; row < bottom; row += 1) {
        for (let at = 3 * (row * width + x * factor); at < 3 * (row * width + right); at += 3) {
          red += data[at];
          green += data[at + 1];
          blue += data[at + 2];
        }
      }
      const count = (bottom - y * factor) * (right - x * factor);
      const to = 3 * (y * result.width + x);
      result.data[to] = Math.floor(red / count + 0.5);
      result.data[to + 1] = Math.floor(green / count + 0.5);
      result.data[to + 2] = Math.floor(blue / count + 0.5);
    }
  }
  return result;
}

/**
 * Pillow's affine `transform`: each pixel of a square is looked up at (ax' + by' + c,
 * dx' + ey' + f), and black where that is outside.
 * @type {(pixels: Pixels, side: number, matrix: number[], filter: Filter) => Pixels}
 */
export function transform(pixels, side, [a, b, c, d, e, f], filter) {
  const result = blank(side, side);
  const look = filter === "bicubic" ? lookBicubic : lookBilinear;
  for (let y = 0, to = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1, to += 3) {
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
      if (fromX < 0 || fromX >= pixels.width || fromY < 0 || fromY >= pixels.height) continue;
      look(pixels, fromX - 0.5, fromY - 0.5, result.data, to);
    }
  }
  return result;
}

/** @typedef {(pixels: Pixels, x: number, y: number, target: Uint8Array, to: number) => void} Look */

/** @type {Look} */
function lookBilinear({ data, width, height }, x, y, target, to) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const x0 = 3 * within(left, width);
  const x1 = 3 * within(left + 1, width);
  const y0 = 3 * width * within(top, height);
  const y1 = 3 * width * within(top + 1, height);
  for (let channel = 0; channel < 3; channel += 1) {
    const upper = data[y0 + x0 + channel] + (data[y0 + x1 + channel] - data[y0 + x0 + channel]) * dx;
    const lower = data[y1 + x0 + channel] + (data[y1 + x1 + channel] - data[y1 + x0 + channel]) * dx;
    target[to + channel] = upper + (lower - upper) * dy; // cut off, not rounded
  }
}

/** @type {Look} */
function lookBicubic({ data, width, height }, x, y, target, to) {
  const [left, top] = [Math.floor(x), Math.floor(y)];
  const [dx, dy] = [x - left, y - top];
  const [x0, x1, x2, x3] = [-1, 0, 1, 2].map((step) => 3 * within(left + step, width));
  const rows = [-1, 0, 1, 2].map((step) => 3 * width * within(top + step, height));
  const lines = new Float64Array(4);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let i = 0; i < 4; i += 1) {
      const at = rows[i] + channel;
      lines[i] = cubic(data[at + x0], data[at + x1], data[at + x2], data[at + x3], dx);
    }
    target[to + channel] = clip(cubic(lines[0], lines[1], lines[2], lines[3], dy)); // cut off, not rounded
  }
}

/**
 * Keys' kernel with a = -1, between the second and the third of four values.
 * @type {(first: number, second: number, third: number, fourth: number, at: number) => number}
 */
function cubic(first, second, third, fourth, at) {
  const linear = third - first;
  const square = 2 * (first - second) + third - fourth;
  const cube = second - first + fourth - third;
  return second + at * (linear + at * (square + at * cube));
}

/** @type {(index: number, length: number) => number} */
const within = (index, length) => (index < 0 ? 0 : index < length ? index : length - 1);
