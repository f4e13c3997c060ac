// Upright pixels -> the faces in them: at which scales and turns the detector looks. As finder.py, which
// gives the reasons.

import { MIN_SCORE, area, bySureness, overlap, scaled, shifted, side, transformed } from "./detector.js";
import { crop, everySecond, padded, turned } from "./pixels.js";
import { FACE_SIDE, Refiner } from "./refinement.js";
import { resize, rint } from "./resampling.js";

/** @import { Detector } from "./detector.js" */
/** @import { Detection, Picture, Pixels } from "./road.d.ts" */

export const SIDE = 640;
const FINE_SIDE = 1280;
const TILE_SIDE = 480;
const TILE = 640;
const TILE_OVERLAP = 128;
const MOST_TILES = 32; // along a side
const NARROW = 2;
const CLOSE_SIDE = 240;
const CLOSE_BORDER = 60;
const TRACE = 0.35;
const WEAK = 0.88;
const SMALL = 20;
const HUGE = 16_000_000;
const FILLS = 0.5;
const MAX_OVERLAP = 0.4;

/** Finds faces, and their landmarks steadily. */
export class Finder {
  #detector;
  #refiner;

  /** @param {Detector} detector */
  constructor(detector) {
    this.#detector = detector;
    this.#refiner = new Refiner(detector);
  }

  /**
   * The largest faces in pixels of the photo, largest first, and how many there are.
   * @param {Picture} photo
   * @param {number} most
   * @returns {Promise<{faces: Detection[], found: number}>}
   */
  async find(photo, most) {
    const coarse = await this.#coarse(photo);
    const groups = grouped(coarse.filter((face) => isVisible(face, photo)));
    groups.sort(([one], [other]) => area(other.box) - area(one.box));
    if (!groups.length) return { faces: [], found: 0 };
    const chosen = groups.slice(0, most);
    const pixels = photo.pixels(neededSide(photo, chosen.map(([face]) => face)));
    const factor = photo.width / pixels.width;
    /** @type {Detection[]} */
    const refined = [];
    for (const group of chosen) {
      const again = await this.#firstRefined(pixels, group.map((face) => scaled(face, 1 / factor)));
      const face = again && scaled(again, factor);
      if (face && isVisible(face, photo)) refined.push(face);
    }
    const faces = grouped(refined).map(([surest]) => surest);
    faces.sort((one, other) => area(other.box) - area(one.box));
    return { faces, found: faces.length + groups.length - chosen.length };
  }

  /**
   * What the surest look saw may be no face, and what another saw there be one.
   * @param {Pixels} pixels
   * @param {Detection[]} group finds of one face
   */
  async #firstRefined(pixels, group) {
    for (const face of group) {
      const again = await this.#refiner.refine(pixels, face);
      if (again) return again;
    }
    return null;
  }

  /** @param {Picture} photo  @returns {Promise<Detection[]>} */
  async #coarse(photo) {
    const [longest, shortest] = [Math.max(photo.width, photo.height), Math.min(photo.width, photo.height)];
    const small = fitted(photo.pixels(SIDE), SIDE);
    const factor = longest / Math.max(small.width, small.height);
    const traces = await this.#detector.detect(small, TRACE);
    const seen = traces.map((face) => scaled(face, factor));
    const found = seen.filter(({ score }) => score >= MIN_SCORE);
    if (longest > NARROW * shortest) {
      const narrow = Math.ceil((longest * TILE_SIDE) / shortest);
      found.push(...(await this.#tiled(photo, Math.min(longest, narrow, MOST_TILES * (TILE - TILE_OVERLAP)))));
    }
    if (!found.length || Math.max(...found.map(side)) > FILLS * longest) {
      found.push(...(await this.#closeUp(photo)));
    }
    const little = (seen.length ? Math.min(...seen.map(side)) : 0) < SMALL * factor;
    if (little && longest > 1.5 * SIDE) found.push(...(await this.#tiled(photo, FINE_SIDE)));
    if (Math.max(0, ...found.map(({ score }) => score)) < WEAK) {
      found.push(...(await this.#turned(small, factor)));
    }
    return found;
  }

  /**
   * At a scale whose longer side is too long for one look.
   * @param {Picture} photo
   * @param {number} longSide
   */
  async #tiled(photo, longSide) {
    const pixels = fitted(photo.pixels(longSide), longSide);
    const factor = Math.max(photo.width, photo.height) / Math.max(pixels.width, pixels.height);
    const found = [];
    for (const top of starts(pixels.height)) {
      for (const left of starts(pixels.width)) {
        const faces = await this.#detector.detect(crop(pixels, left, top, TILE, TILE));
        found.push(...faces.map((face) => scaled(shifted(face, left, top), factor)));
      }
    }
    return found;
  }

  /** Small, with a border. @param {Picture} photo */
  async #closeUp(photo) {
    const pixels = fitted(photo.pixels(CLOSE_SIDE), CLOSE_SIDE);
    const factor = Math.max(photo.width, photo.height) / Math.max(pixels.width, pixels.height);
    const border = CLOSE_BORDER;
    const framed = padded(pixels, { left: border, right: border, top: border, bottom: border });
    const faces = await this.#detector.detect(framed);
    return faces.map((face) => scaled(shifted(face, -border, -border), factor));
  }

  /**
   * @param {Pixels} pixels
   * @param {number} factor from them to the photo
   */
  async #turned(pixels, factor) {
    const { width, height } = pixels;
    const back = [
      { quarters: 1, turn: { a: 0, b: 1, x: width, y: 0 } },
      { quarters: 2, turn: { a: -1, b: 0, x: width, y: height } },
      { quarters: 3, turn: { a: 0, b: -1, x: 0, y: height } },
    ];
    const found = [];
    for (const { quarters, turn } of back) {
      const faces = await this.#detector.detect(turned(pixels, quarters));
      found.push(...faces.map((face) => scaled(transformed(face, turn), factor)));
    }
    return found;
  }
}

/** At which the smallest face is as large as in its patch. @type {(photo: Picture, faces: Detection[]) => number} */
function neededSide(photo, faces) {
  const smallest = Math.max(1, Math.min(...faces.map(side)));
  return Math.max(SIDE, Math.ceil(Math.min(1, FACE_SIDE / smallest) * Math.max(photo.width, photo.height)));
}

/** Where the tiles along a side begin, evenly spread. @param {number} length */
function starts(length) {
  const count = Math.max(1, Math.ceil((length - TILE_OVERLAP) / (TILE - TILE_OVERLAP)));
  const last = Math.max(0, length - TILE);
  return Array.from({ length: count }, (_, i) => (count > 1 ? Math.floor((i * last) / (count - 1)) : 0));
}

/** No larger than so many pixels on its longer side. @type {(pixels: Pixels, longSide: number) => Pixels} */
export function fitted(pixels, longSide) {
  const factor = longSide / Math.max(pixels.width, pixels.height);
  if (factor >= 1) return pixels;
  const [width, height] = [pixels.width, pixels.height].map((one) => Math.max(1, rint(one * factor)));
  const isHuge = pixels.width * pixels.height > HUGE && factor < 1 / 4;
  return resize(isHuge ? everySecond(pixels) : pixels, width, height, "bilinear");
}

/** @type {(face: Detection, photo: Picture) => boolean} */
function isVisible({ box: [left, top, right, bottom] }, photo) {
  const across = Math.min(right, photo.width) - Math.max(left, 0);
  return Math.min(across, Math.min(bottom, photo.height) - Math.max(top, 0)) >= 1;
}

/** The finds of each face, the surest first. @type {(faces: Detection[]) => Detection[][]} */
function grouped(faces) {
  let left = bySureness(faces);
  /** @type {Detection[][]} */
  const groups = [];
  while (left.length) {
    const [{ box }] = left;
    const isSame = (/** @type {Detection} */ face) => overlap(box, face.box) > MAX_OVERLAP;
    groups.push(left.filter(isSame));
    left = left.filter((face) => !isSame(face));
  }
  return groups;
}
