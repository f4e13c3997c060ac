// Predictions -> a file for the visitor: JSON and CSV as `scripts/predict` writes them, and the photo
// with its answers as a picture.

import { csv } from "./csv.js";
import { pictureOf } from "./picture.js";

/** @import { Prediction } from "./engine/engine.d.ts" */
/** @typedef {{file: File, prediction: Prediction, picture: HTMLImageElement}} PredictedPhoto */

/** @type {Record<string, (photos: PredictedPhoto[]) => Blob | Promise<Blob>>} */
const FORMATS = {
  json: (photos) => new Blob([json(photos)], { type: "application/json" }),
  csv: (photos) => new Blob([csv(photos)], { type: "text/csv" }),
  png: ([photo]) => pictureOf(photo),
};

/**
 * Hands a file to the visitor.
 * @param {string} format json, csv or png
 * @param {PredictedPhoto[]} photos for a PNG, one
 * @param {string} name without extension
 */
export async function download(format, photos, name) {
  const url = URL.createObjectURL(await FORMATS[format](photos));
  Object.assign(document.createElement("a"), { href: url, download: nameOf(name, format) }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers read it later
}

/** Whether this browser hands pictures to other programs. */
export function canShare() {
  return Boolean(navigator.canShare?.({ files: [new File([], "a.png", { type: "image/png" })] }));
}

/**
 * Hands the picture to a program that the visitor chooses.
 * @param {PredictedPhoto} photo
 * @param {string} name without extension
 */
export async function share(photo, name) {
  const file = new File([await pictureOf(photo)], nameOf(name, "png"), { type: "image/png" });
  try {
    await navigator.share({ files: [file] });
  } catch (error) {
    const refused = error instanceof DOMException && error.name === "AbortError"; // by the visitor
    if (!refused) await download("png", [photo], name);
  }
}

/**
 * Not the photo's own name, which would look like the photo itself.
 * @param {string} name
 * @param {string} format
 */
const nameOf = (name, format) => (format === "png" ? `${name}-apparent.png` : `${name}.${format}`);

/** @param {PredictedPhoto[]} photos */
function json(photos) {
  const predictions = photos.map(({ file, prediction }) => ({ file: file.name, ...prediction }));
  return `${JSON.stringify(predictions, null, 2)}\n`;
}
