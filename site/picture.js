// The photo with its answers, as a picture to keep or to share.

import { canvas, encode } from "./canvas.js";
import { formatInteger, formatRange, messages } from "./i18n.js";

/** @import { Face } from "./engine/engine.d.ts" */
/** @import { PredictedPhoto } from "./export.js" */

const LONG_SIDE = 1200; // pixels, of the photo in it
const FOOT = 88; // below it
const INK = "#1c1b1a";
const ACCENT = "#c2410c";
const FONT = "system-ui, sans-serif";
const MANY = 4; // faces, from which on a range would cover others

/** @param {PredictedPhoto} photo  @returns {Promise<Blob>} PNG */
export function pictureOf({ picture, prediction }) {
  const scale = LONG_SIDE / Math.max(picture.naturalWidth, picture.naturalHeight);
  const width = Math.max(480, Math.round(picture.naturalWidth * scale));
  const height = Math.round(picture.naturalHeight * scale);
  const left = (width - picture.naturalWidth * scale) / 2;
  const context = canvas(width, height + FOOT);
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height + FOOT);
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left, 0, picture.naturalWidth * scale, height);
  const { faces } = prediction;
  for (const face of faces) drawFace(context, face, { left, width, height, scale, many: faces.length >= MANY });
  drawFoot(context, width, height);
  return encode(context, "image/png");
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Face} face
 * @param {{left: number, width: number, height: number, scale: number, many: boolean}} where
 */
function drawFace(context, { box, age }, { left, width, height, scale, many }) {
  const [x, y, wide, high] = [left + box.x * scale, box.y * scale, box.width * scale, box.height * scale];
  for (const [colour, thickness] of /** @type {const} */ ([[INK, 7], ["#fff", 3]])) {
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.strokeRect(x, y, wide, high);
  }
  const years = formatInteger(age.years);
  const range = many ? "" : formatRange(age, "short");
  const size = Math.max(22, Math.min(56, wide / (many ? 3 : 4)));
  const big = `700 ${size}px ${FONT}`;
  const small = `500 ${size * 0.5}px ${FONT}`;
  context.font = big;
  const yearsWidth = context.measureText(years).width;
  context.font = small;
  const gap = range ? size * 0.3 : 0;
  const labelWidth = yearsWidth + gap + context.measureText(range).width + size * 0.6;
  const labelHeight = size * 1.25;
  const labelLeft = Math.max(0, Math.min(x + wide / 2 - labelWidth / 2, width - labelWidth));
  const labelTop = Math.min(y + high + 6, height - labelHeight);
  context.fillStyle = INK;
  context.fillRect(labelLeft, labelTop, labelWidth, labelHeight);
  context.fillStyle = "#fff";
  context.textBaseline = "alphabetic";
  context.font = big;
  context.fillText(years, labelLeft + size * 0.3, labelTop + size * 0.98);
  context.font = small;
  context.fillText(range, labelLeft + size * 0.3 + yearsWidth + gap, labelTop + size * 0.98);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} width
 * @param {number} top
 */
function drawFoot(context, width, top) {
  const middle = top + FOOT / 2;
  context.textBaseline = "middle";
  context.fillStyle = ACCENT;
  context.beginPath();
  context.arc(40, middle, 12, 0, 2 * Math.PI);
  context.fill();
  context.fillStyle = INK;
  context.font = `700 30px ${FONT}`;
  context.fillText("Apparent", 66, middle);
  context.font = `400 22px ${FONT}`;
  const words = messages.impressionShort;
  context.fillStyle = "#57534e";
  context.fillText(words, width - context.measureText(words).width - 28, middle);
}
