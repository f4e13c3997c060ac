// The card of one face: its crop, age on a scale, gender, and what makes the answer doubtful.

import { context2d } from "./canvas.js";
import { clone, find } from "./dom.js";
import { hints } from "./hints.js";
import { formatAge, formatGender, messages } from "./i18n.js";

/** @import { Box, Face, Size } from "./engine/engine.d.ts" */

const OLDEST = 100; // years, the end of the scale
const MARGIN = 0.25; // around the face in its crop, in sides of its box

/**
 * @param {Face} face
 * @param {Size} image the photo's size in pixels
 * @param {HTMLImageElement | null} picture the photo, if it can be shown
 */
export function faceCard(face, image, picture) {
  const card = clone("#face-template");
  find(".age", HTMLElement, card).textContent = formatAge(face.age);
  find(".gender", HTMLElement, card).textContent = formatGender(face.gender);
  const { low, high, years } = face.age;
  const interval = find(".interval", HTMLElement, card);
  interval.style.insetInlineStart = onScale(low);
  interval.style.inlineSize = onScale(high - low);
  find(".years", HTMLElement, card).style.insetInlineStart = onScale(years);
  find(".hints", HTMLElement, card).replaceChildren(
    ...hints(face, image).map((hint) => {
      const item = document.createElement("li");
      item.textContent = messages.hints[hint];
      return item;
    }),
  );
  const crop = find(".crop", HTMLCanvasElement, card);
  crop.hidden = !picture;
  if (picture) drawCrop(crop, face.box, picture);
  return card;
}

/** @param {number} years */
const onScale = (years) => `${(100 * years) / OLDEST}%`;

/**
 * @param {HTMLCanvasElement} crop
 * @param {Box} box
 * @param {HTMLImageElement} picture
 */
function drawCrop(crop, box, picture) {
  const side = Math.max(box.width, box.height) * (1 + 2 * MARGIN);
  const left = box.x + (box.width - side) / 2;
  const top = box.y + (box.height - side) / 2;
  const context = context2d(crop);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left, top, side, side, 0, 0, crop.width, crop.height);
}
