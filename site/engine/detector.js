// RGB pixels -> faces, by one run of a network: YuNet (Wu, Peng, Yu 2023). As detector.py.

import { moved, times } from "./alignment.js";

/** @import { Corners, Detection, Landmarks, Outputs, Pixels, Runtime, Session, Similarity } from "./road.d.ts" */

const STRIDES = [8, 16, 32];
export const MIN_SCORE = 0.6;
const MAX_OVERLAP = 0.3;
const VOTING_SCORE = 0.3;
const VOTING_OVERLAP = 0.5;

// The published graph fixes its input to 640 x 640 although no node in it needs that. Both sides are
// renamed in place (ONNX protobuf: dim_value 640 -> dim_param "h", "w", the same length).
const FIXED_SIDES = [0x0a, 0x03, 0x08, 0x80, 0x05, 0x0a, 0x03, 0x08, 0x80, 0x05];
const FREE_SIDES = [0x0a, 0x03, 0x12, 0x01, 0x68, 0x0a, 0x03, 0x12, 0x01, 0x77];

/** @type {(model: Uint8Array) => Uint8Array} */
export function withFreeSides(model) {
  const free = model.slice();
  for (let at = free.indexOf(0x0a); at >= 0; at = free.indexOf(0x0a, at + 1)) {
    if (!FIXED_SIDES.every((byte, i) => free[at + i] === byte)) continue;
    free.set(FREE_SIDES, at);
    return free;
  }
  throw new Error("The face detector is not YuNet as published: its input is not fixed to 640 x 640.");
}

/** YuNet at one scale. */
export class Detector {
  #runtime;
  #session;

  /** @param {Runtime} runtime  @param {Session} session of the graph with free sides */
  constructor(runtime, session) {
    this.#runtime = runtime;
    this.#session = session;
  }

  /** Surest first. @param {Pixels} pixels  @returns {Promise<Detection[]>} */
  async detect(pixels, minScore = MIN_SCORE) {
    const [width, height] = [pixels.width, pixels.height].map((side) => 32 * Math.ceil(side / 32));
    const planes = blueGreenRed(pixels, width, height);
    const input = new this.#runtime.Tensor("float32", planes, [1, 3, height, width]);
    const candidates = decode(await this.#session.run({ input }), width);
    const sure = candidates.filter(({ score }) => score >= minScore);
    return nonMaximumSuppression(sure).map((best) => voted(best, candidates));
  }
}

/** Planes of that size, zero where the picture has ended. @type {(pixels: Pixels, width: number, height: number) => Float32Array} */
function blueGreenRed(pixels, width, height) {
  const planes = new Float32Array(3 * width * height);
  for (let y = 0, from = 0; y < pixels.height; y += 1) {
    for (let to = y * width; to < y * width + pixels.width; to += 1, from += 3) {
      planes[to] = pixels.data[from + 2];
      planes[to + width * height] = pixels.data[from + 1];
      planes[to + 2 * width * height] = pixels.data[from];
    }
  }
  return planes;
}

/** Candidates that may vote. @type {(outputs: Outputs, width: number) => Detection[]} */
function decode(outputs, width) {
  /** @type {Detection[]} */
  const candidates = [];
  for (const stride of STRIDES) {
    const [cls, obj, bbox, kps] = ["cls", "obj", "bbox", "kps"].map((kind) => outputs[`${kind}_${stride}`].data);
    const columns = width / stride;
    for (let i = 0; i < cls.length; i += 1) {
      const score = Math.sqrt(unit(cls[i]) * unit(obj[i]));
      if (score < VOTING_SCORE) continue;
      const [column, row] = [i % columns, Math.floor(i / columns)];
      const [x, y] = [(column + bbox[4 * i]) * stride, (row + bbox[4 * i + 1]) * stride];
      const [wide, high] = [2, 3].map((at) => (Math.exp(bbox[4 * i + at]) * stride) / 2);
      /** @type {Landmarks} */
      const landmarks = [];
      for (let at = 10 * i; at < 10 * i + 10; at += 2) {
        landmarks.push([(kps[at] + column) * stride, (kps[at + 1] + row) * stride]);
      }
      candidates.push({ box: [x - wide, y - high, x + wide, y + high], landmarks, score });
    }
  }
  return candidates;
}

/** @param {number} value */
const unit = (value) => Math.min(Math.max(value, 0), 1);

/**
 * A candidate whose box and landmarks are the mean over all that overlap it, by their scores.
 * @type {(best: Detection, candidates: Detection[]) => Detection}
 */
function voted(best, candidates) {
  const voters = candidates.filter(({ box }) => overlap(best.box, box) >= VOTING_OVERLAP);
  return weighedMean(voters, voters.map(({ score }) => score), best.score);
}

/** @type {(faces: Detection[], weights: number[], score: number) => Detection} */
export function weighedMean(faces, weights, score) {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  const mean = (/** @type {(face: Detection) => number} */ value) =>
    faces.reduce((total, face, i) => total + (value(face) * weights[i]) / sum, 0);
  return {
    box: [mean(({ box }) => box[0]), mean(({ box }) => box[1]), mean(({ box }) => box[2]), mean(({ box }) => box[3])],
    landmarks: faces[0].landmarks.map((_, i) => [
      mean(({ landmarks }) => landmarks[i][0]),
      mean(({ landmarks }) => landmarks[i][1]),
    ]),
    score,
  };
}

/** Intersection over union. @type {(one: Corners, other: Corners) => number} */
export function overlap(one, other) {
  const across = Math.max(0, Math.min(one[2], other[2]) - Math.max(one[0], other[0]));
  const down = Math.max(0, Math.min(one[3], other[3]) - Math.max(one[1], other[1]));
  const shared = across * down;
  return shared / (area(one) + area(other) - shared);
}

/** @type {(box: Corners) => number} */
export const area = ([left, top, right, bottom]) => (right - left) * (bottom - top);

/** Of a square as large as the face's box. @type {(face: Detection) => number} */
export const side = ({ box }) => Math.sqrt(Math.max(area(box), 0));

/** @type {(faces: Detection[]) => Detection[]} */
function nonMaximumSuppression(faces) {
  /** @type {Detection[]} */
  const kept = [];
  for (const face of bySureness(faces)) {
    if (kept.every(({ box }) => overlap(box, face.box) <= MAX_OVERLAP)) kept.push(face);
  }
  return kept;
}

/** @type {(faces: Detection[]) => Detection[]} */
export const bySureness = (faces) => [...faces].sort((one, other) => other.score - one.score);

/** The same face in a photo `factor` times as large. @type {(face: Detection, factor: number) => Detection} */
export const scaled = ({ box: [left, top, right, bottom], landmarks, score }, factor) => ({
  box: [left * factor, top * factor, right * factor, bottom * factor],
  landmarks: times(landmarks, factor),
  score,
});

/** The same face in the mirror image. @type {(face: Detection, width: number) => Detection} */
export const mirroredIn = ({ box: [left, top, right, bottom], landmarks, score }, width) => ({
  box: [width - right, top, width - left, bottom],
  landmarks: [1, 0, 2, 4, 3].map((i) => [width - landmarks[i][0], landmarks[i][1]]), // left is right
  score,
});

/** The same face so much farther to the right and below. @type {(face: Detection, x: number, y: number) => Detection} */
export const shifted = ({ box: [left, top, right, bottom], landmarks, score }, x, y) => ({
  box: [left + x, top + y, right + x, bottom + y],
  landmarks: landmarks.map(([px, py]) => [px + x, py + y]),
  score,
});

/**
 * The same face moved; its box is the upright one around the moved, no larger than its turned sides need.
 * @type {(face: Detection, similarity: Similarity) => Detection}
 */
export function transformed({ box: [left, top, right, bottom], landmarks, score }, similarity) {
  const [x, y] = moved(similarity, [(left + right) / 2, (top + bottom) / 2]);
  const [a, b] = [Math.abs(similarity.a), Math.abs(similarity.b)];
  const [halfWidth, halfHeight] = [(right - left) / 2, (bottom - top) / 2];
  const [wide, high] = [a * halfWidth + b * halfHeight, b * halfWidth + a * halfHeight];
  return {
    box: [x - wide, y - high, x + wide, y + high],
    landmarks: landmarks.map((point) => moved(similarity, point)),
    score,
  };
}
