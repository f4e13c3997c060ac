// Faces as one reads a photo: row by row, each from left to right.

/** @import { Box } from "./engine/engine.d.ts" */

/**
 * @template {{box: Box}} T
 * @param {T[]} faces
 * @returns {T[]} the same, in reading order
 */
export function inReadingOrder(faces) {
  const middle = (/** @type {T} */ { box }) => box.y + box.height / 2;
  /** @type {T[][]} */
  const rows = [];
  for (const face of [...faces].sort((one, other) => middle(one) - middle(other))) {
    const row = rows.at(-1);
    if (row && areBeside(row[0].box, face.box)) row.push(face);
    else rows.push([face]);
  }
  return rows.flatMap((row) => row.sort((one, other) => one.box.x - other.box.x));
}

/**
 * Whether one is as high in the photo as the other, by half of the smaller at least.
 * @param {Box} one
 * @param {Box} other
 */
function areBeside(one, other) {
  const shared = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y);
  return shared >= Math.min(one.height, other.height) / 2;
}
