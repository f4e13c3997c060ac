// Predictions -> a file for the visitor: JSON and CSV as `scripts/predict` writes them, and the photo
// with boxes.

import { canvas, encode } from "./canvas.js";
import { csv } from "./csv.js";
import { formatInteger, messages } from "./i18n.js";

/** @import { Prediction } from "./engine/engine.d.ts" */
/** @typedef {{file: File, prediction: Prediction, picture: HTMLImageElement}} PredictedPhoto */

/** @type {Record<string, (photos: PredictedPhoto[]) => Blob | Promise<Blob>>} */
const FORMATS = {
  json: (photos) => new Blob([json(photos)], { type: "application/json" }),
  csv: (photos) => new Blob([csv(photos)], { type: "text/csv" }),
  png: ([photo]) => png(photo),
};

/**
 * Hands a file to the visitor.
 * @param {string} format json, csv or png
 * @param {PredictedPhoto[]} photos for a PNG, one
 * @param {string} name without extension
 */
export async function download(format, photos, name) {
  const url = URL.createObjectURL(await FORMATS[format](photos));
  Object.assign(document.createElement("a"), { href: url, download: `${name}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers read it later
}

/** @param {PredictedPhoto[]} photos */
function json(photos) {
  const predictions = photos.map(({ file, prediction }) => ({ file: file.name, ...prediction }));
  return `${JSON.stringify(predictions, null, 2)}\n`;
}

/** @param {PredictedPhoto} photo */
function png({ picture, prediction }) {
  const { naturalWidth: width, naturalHeight: height } = picture;
  const context = canvas(width, height);
  context.drawImage(picture, 0, 0);
  const unit = Math.max(width, height) / 400;
  context.font = `600 ${7 * unit}px system-ui, sans-serif`;
  context.textBaseline = "top";
  for (const { box, age } of prediction.faces) {
    for (const { colour, thickness } of [
      { colour: "#1a2030", thickness: 2 },
      { colour: "#fff", thickness: 1 },
    ]) {
      context.strokeStyle = colour;
      context.lineWidth = thickness * unit;
      context.strokeRect(box.x, box.y, box.width, box.height);
    }
    const label = `${messages.approximately(formatInteger(age.years))} (${age.low}–${age.high})`;
    const labelWidth = context.measureText(label).width + 4 * unit;
    const left = Math.max(0, Math.min(box.x, width - labelWidth));
    const top = Math.min(box.y + box.height, height - 10 * unit);
    context.fillStyle = "#1a2030";
    context.fillRect(left, top, labelWidth, 10 * unit);
    context.fillStyle = "#fff";
    context.fillText(label, left + 2 * unit, top + 1.8 * unit);
  }
  return encode(context, "image/png");
}
