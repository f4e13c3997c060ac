// The card of one face: its crop, age, range on a scale, gender, and what makes the answer doubtful.

import { context2d } from "./canvas.js";
import { clone, find } from "./dom.js";
import { hints } from "./hints.js";
import { formatGender, formatInteger, formatRange, formatShare, messages } from "./i18n.js";
import { OLDEST, rangeKind } from "./range.js";

/** @import { Age, Box, Face, Size } from "./engine/engine.d.ts" */

const MARGIN = 0.25; // around the face in its crop, in sides of its box
const NARROW = 20; // years, below which the ends' numbers would touch

/**
 * @param {Face} face
 * @param {Size} image the photo's size in pixels
 * @param {{number: number, alone: boolean, picture: HTMLImageElement | null}} how its number among the
 *   faces, whether there is no other, and the photo, if it can be shown
 */
export function faceCard(face, image, { number, alone, picture }) {
  const { age, box, gender } = face;
  const card = clone("#face-template");
  find(".age strong", HTMLElement, card).textContent = formatInteger(age.years);
  showScale(find(".scale", HTMLElement, card), age);
  const range = find(".range", HTMLElement, card);
  range.append(
    element("span", "sentence", messages.rangeSentence(formatShare(age.coverage), formatRange(age, "sentence"))),
    element("span", "short", formatRange(age, "short")),
  );
  find(".gender", HTMLElement, card).textContent = formatGender(gender);
  find(".hints", HTMLElement, card).replaceChildren(
    ...hints(face, image).map((hint) => {
      const side = formatInteger(Math.min(box.width, box.height));
      return element("li", hint, messages.hints[hint](side));
    }),
  );
  const pin = find(".pin", HTMLElement, card);
  pin.hidden = alone || !picture;
  pin.ariaLabel = messages.showFace(formatInteger(number));
  find(".number", HTMLElement, pin).textContent = formatInteger(number);
  if (picture && !alone) drawCrop(find(".crop", HTMLCanvasElement, pin), box, picture);
  return card;
}

/**
 * @param {HTMLElement} scale
 * @param {Age} age
 */
function showScale(scale, age) {
  const { low, high, years } = age;
  const onScale = (/** @type {number} */ value) => `${(100 * value) / OLDEST}%`;
  const interval = find(".interval", HTMLElement, scale);
  interval.style.insetInlineStart = onScale(low);
  interval.style.inlineSize = onScale(high - low);
  find(".years", HTMLElement, scale).style.insetInlineStart = onScale(years);
  const ends = { low: find(".low", HTMLElement, scale), high: find(".high", HTMLElement, scale) };
  ends.low.textContent = formatInteger(low);
  ends.low.style.insetInlineStart = onScale(low);
  const isOpen = rangeKind(age) === "above";
  ends.high.textContent = isOpen ? messages.orOlder(formatInteger(OLDEST)) : formatInteger(high);
  ends.high.style.insetInlineStart = onScale(high);
  scale.classList.toggle("narrow", high - low < NARROW);
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} text
 */
function element(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

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
