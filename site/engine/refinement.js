// A face found -> the same face as an upright patch cut around it shows it: steady landmarks. As
// refinement.py.

import { TEMPLATE, align, mean, moved, similarity, times } from "./alignment.js";
import { mirroredIn, shifted, side, transformed, weighedMean } from "./detector.js";
import { crop, mirrored } from "./pixels.js";

/** @import { Detector } from "./detector.js" */
/** @import { Detection, Landmarks, Pixels } from "./road.d.ts" */

const SURE = 0.905;
const TRUSTED = 0.85;
const SURER = 0.03;
export const FACE_SIDE = 120; // pixels, of the face in its patch
const PATCH = 192;
const SHIFT = 4; // half a stride of the detector's finest grid
const CUT = PATCH + SHIFT;
/** The chip in the middle of the patch. @type {Landmarks} */
const IN_PATCH = TEMPLATE.map(([x, y]) => [0.5 + (x - 0.5) * 0.75, 0.5 + (y - 0.5) * 0.75]);
/** @type {Landmarks} */
const IN_CUT = IN_PATCH.map(([x, y]) => [(x * PATCH + SHIFT) / CUT, (y * PATCH + SHIFT) / CUT]);
const UPRIGHT = (3 * Math.PI) / 180;
const MAX_LOOKS = 5;

/** Looks again at faces that were found. */
export class Refiner {
  #detector;

  /** @param {Detector} detector */
  constructor(detector) {
    this.#detector = detector;
  }

  /**
   * The face as its upright patch shows it; null where that is none. Where the patch is unsure, it is turned
   * by quarters, and the surest counts; then it is turned further while the face leans.
   * @param {Pixels} pixels
   * @param {Detection} face
   * @returns {Promise<Detection | null>}
   */
  async refine(pixels, face) {
    let expected = face.landmarks;
    let best = await this.#look(pixels, expected);
    if (!best || best.score < SURE) {
      for (let quarters = 0; quarters < 4; quarters += 1) {
        const look = await this.#quickLook(pixels, expectedByBox(face, quarters));
        if (look && !(best && best.score >= look.score)) best = look;
      }
    }
    if (!best) return face.score >= TRUSTED ? face : null;
    for (let look = 0; look < MAX_LOOKS; look += 1) {
      if (angleBetween(expected, best.landmarks) < UPRIGHT) break;
      expected = best.landmarks;
      const again = await this.#look(pixels, expected);
      if (!again) break;
      best = again;
    }
    // A patch that reaches far beyond the photo shows less than the first look did.
    return face.score > best.score + SURER ? face : best;
  }

  /**
   * The mean of the patch and of its mirror image half a stride away: the two err apart.
   * @param {Pixels} pixels
   * @param {Landmarks} expected
   */
  async #look(pixels, expected) {
    const cut = align(pixels, expected, CUT, IN_CUT, true);
    const reflection = await this.#detector.detect(mirrored(crop(cut, 0, 0, PATCH, PATCH)));
    const straight = await this.#detector.detect(crop(cut, SHIFT, SHIFT, PATCH, PATCH));
    const looks = [
      inTheMiddle(straight),
      inTheMiddle(reflection.map((face) => shifted(mirroredIn(face, PATCH), -SHIFT, -SHIFT))),
    ].filter((look) => look !== null);
    if (!looks.length) return null;
    const surest = Math.max(...looks.map(({ score }) => score));
    return inPhoto(weighedMean(looks, looks.map(() => 1), surest), expected);
  }

  /**
   * The patch alone.
   * @param {Pixels} pixels
   * @param {Landmarks} expected
   */
  async #quickLook(pixels, expected) {
    const patch = align(pixels, expected, PATCH, IN_PATCH, true);
    const face = inTheMiddle(await this.#detector.detect(patch));
    return face && inPhoto(face, expected);
  }
}

/** @type {(faces: Detection[]) => Detection | null} */
function inTheMiddle(faces) {
  const near = faces.map((face) => {
    const [x, y] = mean(face.landmarks);
    return { face, distance: Math.hypot(x - PATCH / 2, y - PATCH / 2) };
  });
  const [nearest] = near.sort((one, other) => one.distance - other.distance);
  return nearest && nearest.distance <= PATCH / 4 ? nearest.face : null;
}

/** From the patch to the photo it was cut from. @type {(face: Detection, expected: Landmarks) => Detection} */
const inPhoto = (face, expected) => transformed(face, similarity(times(IN_PATCH, PATCH), expected));

/**
 * By the box alone, turned by quarters: landmarks found of turned faces are wrong.
 * @type {(face: Detection, quarters: number) => Landmarks}
 */
function expectedByBox(face, quarters) {
  const [left, top, right, bottom] = face.box;
  const angle = (quarters * Math.PI) / 2;
  const size = side(face) / 0.85;
  const turn = {
    a: size * Math.cos(angle), b: size * Math.sin(angle), x: (left + right) / 2, y: (top + bottom) / 2,
  };
  return TEMPLATE.map(([x, y]) => moved(turn, [x - 0.48, y - 0.46]));
}

/** Radians, 0 to pi. @type {(one: Landmarks, other: Landmarks) => number} */
function angleBetween(one, other) {
  const { a, b } = similarity(one, other);
  return Math.abs(Math.atan2(b, a));
}
