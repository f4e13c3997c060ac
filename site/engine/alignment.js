// Face landmarks -> canonical chip: a similarity transform. As alignment.py of the library.

import { crop, padded } from "./pixels.js";
import { reduce, resize, rint, transform } from "./resampling.js";

/** @import { Landmarks, Pixels, Point, Similarity } from "./road.d.ts" */

/** @type {Landmarks} */
export const TEMPLATE = [[0.292, 0.29], [0.684, 0.294], [0.475, 0.502], [0.315, 0.681], [0.643, 0.685]];
const SUPERSAMPLING = 2;

/**
 * The rotation, uniform scale and shift that takes `source` to `target`: least squares, no reflection.
 * @type {(source: Landmarks, target: Landmarks) => Similarity}
 */
export function similarity(source, target) {
  const from = mean(source);
  const to = mean(target);
  let [spread, along, across] = [0, 0, 0];
  source.forEach(([x, y], i) => {
    const [px, py] = [x - from[0], y - from[1]];
    const [qx, qy] = [target[i][0] - to[0], target[i][1] - to[1]];
    spread += px * px + py * py;
    along += px * qx + py * qy;
    across += px * qy - py * qx;
  });
  if (!spread) throw new Error("The landmarks coincide: no similarity transform can be fitted to them.");
  const [a, b] = [along / spread, across / spread];
  return { a, b, x: to[0] - (a * from[0] - b * from[1]), y: to[1] - (b * from[0] + a * from[1]) };
}

/** @type {(points: Landmarks) => Point} */
export function mean(points) {
  const sum = (/** @type {0 | 1} */ axis) => points.reduce((total, point) => total + point[axis], 0);
  return [sum(0) / points.length, sum(1) / points.length];
}

/** @type {(similarity: Similarity, point: Point) => Point} */
export const moved = ({ a, b, x, y }, [px, py]) => [a * px - b * py + x, b * px + a * py + y];

/** @type {(points: Landmarks, factor: number) => Landmarks} */
export const times = (points, factor) => points.map(([x, y]) => [x * factor, y * factor]);

/**
 * Pixels of the photo per pixel of the chip; below 1 the chip is an enlargement.
 * @type {(landmarks: Landmarks, chipSize: number, template: Landmarks) => number}
 */
export function resolution(landmarks, chipSize, template) {
  const { a, b } = similarity(times(template, chipSize), landmarks);
  return Math.hypot(a, b);
}

/**
 * Cuts the chip of one face, whose landmarks belong where `template` says. Where it reaches beyond the photo,
 * the edge is repeated. A draft is good enough for the detector, and cheaper.
 * @type {(photo: Pixels, landmarks: Landmarks, chipSize: number, template: Landmarks, draft?: boolean) => Pixels}
 */
export function align(photo, landmarks, chipSize, template, draft = false) {
  const supersampling = draft ? 1 : SUPERSAMPLING;
  const filter = draft ? "bilinear" : "bicubic";
  const fineSize = chipSize * supersampling;
  const toPhoto = similarity(times(template, fineSize), landmarks);
  /** @type {Point[]} */
  const square = [[0, 0], [0, fineSize], [fineSize, 0], [fineSize, fineSize]];
  const outline = square.map((corner) => moved(toPhoto, corner));
  const shrink = Math.max(1, Math.hypot(toPhoto.a, toPhoto.b));

  // The part of the window around the face that lies inside the photo, one pixel of it at least.
  const [across, down] = /** @type {const} */ ([[0, photo.width], [1, photo.height]]).map(([axis, bound]) => {
    const places = outline.map((corner) => corner[axis]);
    const low = Math.floor(Math.min(...places)) - 2;
    const high = Math.ceil(Math.max(...places)) + 2;
    const from = Math.min(Math.max(low, 0), bound - 1);
    const to = Math.min(Math.max(high, from + 1), bound);
    const size = shrink > 1 ? Math.max(1, rint((to - from) / shrink)) : to - from;
    const scale = size / (to - from);
    const before = Math.ceil((from - Math.min(low, from)) * scale);
    const after = Math.ceil((Math.max(high, to) - to) * scale);
    return { from, to, size, scale, before, after };
  });
  const window = crop(photo, across.from, down.from, across.to - across.from, down.to - down.from);
  const framed = padded(resize(window, across.size, down.size, filter), {
    left: across.before, right: across.after, top: down.before, bottom: down.after,
  });
  const { a, b, x, y } = toPhoto;
  const matrix = [
    across.scale * a, -across.scale * b, across.scale * x + across.before - across.from * across.scale,
    down.scale * b, down.scale * a, down.scale * y + down.before - down.from * down.scale,
  ];
  const fine = transform(framed, fineSize, matrix, filter);
  return draft ? fine : reduce(fine, SUPERSAMPLING);
}
