// What makes a face's answer doubtful.

/** @import { Face, Size } from "./engine/engine.d.ts" */
/** @import { Messages } from "./i18n.js" */

const SMALL = 48; // pixels a side, of a face in the photo as it was sent
const UNCLEAR = 0.75; // detection score
const TURNED = 0.28; // how far the nose may be from between the eyes, in distances of the eyes
const WIDE = 30; // years from low to high

/**
 * @param {Face} face
 * @param {Size} image the photo's size in pixels
 * @returns {(keyof Messages["hints"])[]}
 */
export function hints({ box, detection_score: score, landmarks, age }, image) {
  const found = {
    small: Math.min(box.width, box.height) < SMALL,
    cut:
      box.x <= 0 || box.y <= 0 ||
      box.x + box.width >= image.width || box.y + box.height >= image.height,
    turned: Math.abs(noseBetweenEyes(landmarks) - 0.5) > TURNED,
    unclear: score < UNCLEAR,
    wide: age.high - age.low >= WIDE,
  };
  const keys = /** @type {(keyof typeof found)[]} */ (Object.keys(found));
  return keys.filter((key) => found[key]);
}

/** @param {Face["landmarks"]} landmarks  @returns {number} 0 at the right eye, 1 at the left */
function noseBetweenEyes([rightEye, leftEye, nose]) {
  const eyes = { x: leftEye.x - rightEye.x, y: leftEye.y - rightEye.y };
  const along = (nose.x - rightEye.x) * eyes.x + (nose.y - rightEye.y) * eyes.y;
  return along / (eyes.x ** 2 + eyes.y ** 2 || 1);
}
