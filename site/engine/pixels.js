// Pixels, and the ways to cut, turn and frame them.

/** @import { Pixels } from "./road.d.ts" */

/** Black. @type {(width: number, height: number) => Pixels} */
export const blank = (width, height) => ({ data: new Uint8Array(3 * width * height), width, height });

/**
 * A copy of a part, which ends where the picture ends.
 * @type {(pixels: Pixels, left: number, top: number, width: number, height: number) => Pixels}
 */
export function crop(pixels, left, top, width, height) {
  const part = blank(Math.min(width, pixels.width - left), Math.min(height, pixels.height - top));
  for (let y = 0; y < part.height; y += 1) {
    const start = 3 * ((top + y) * pixels.width + left);
    part.data.set(pixels.data.subarray(start, start + 3 * part.width), 3 * y * part.width);
  }
  return part;
}

/** @type {(pixels: Pixels) => Pixels} */
export const mirrored = (pixels) =>
  rearranged(pixels, pixels.width, pixels.height, (x, y) => [pixels.width - 1 - x, y]);

/** Every second pixel of every second row. @type {(pixels: Pixels) => Pixels} */
export const everySecond = (pixels) =>
  rearranged(pixels, Math.ceil(pixels.width / 2), Math.ceil(pixels.height / 2), (x, y) => [2 * x, 2 * y]);

/** Counter-clockwise, as numpy's rot90. @type {(pixels: Pixels, quarters: number) => Pixels} */
export function turned(pixels, quarters) {
  const { width, height } = pixels;
  if (quarters === 1) return rearranged(pixels, height, width, (x, y) => [width - 1 - y, x]);
  if (quarters === 2) return rearranged(pixels, width, height, (x, y) => [width - 1 - x, height - 1 - y]);
  return rearranged(pixels, height, width, (x, y) => [y, height - 1 - x]);
}

/**
 * The picture with so many more pixels on each side, which repeat those of its edge.
 * @type {(pixels: Pixels, by: Record<"left" | "top" | "right" | "bottom", number>) => Pixels}
 */
export function padded(pixels, { left, top, right, bottom }) {
  if (!(left || top || right || bottom)) return pixels;
  const { width, height } = pixels;
  return rearranged(pixels, left + width + right, top + height + bottom, (x, y) => [
    Math.min(Math.max(x - left, 0), width - 1),
    Math.min(Math.max(y - top, 0), height - 1),
  ]);
}

/**
 * @type {(pixels: Pixels, width: number, height: number, source: (x: number, y: number) => number[]) => Pixels}
 */
function rearranged(pixels, width, height, source) {
  const result = blank(width, height);
  for (let y = 0, to = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1, to += 3) {
      const [fromX, fromY] = source(x, y);
      const from = 3 * (fromY * pixels.width + fromX);
      result.data[to] = pixels.data[from];
      result.data[to + 1] = pixels.data[from + 1];
      result.data[to + 2] = pixels.data[from + 2];
    }
  }
  return result;
}
