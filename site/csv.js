// Predictions -> CSV, as `scripts/predict` writes it.

/** @import { Prediction } from "./engine/engine.d.ts" */

const COLUMNS = /** @type {const} */ ([
  "file", "face", "years", "low", "high", "gender", "probability", "x", "y", "width", "height",
  "detection_score",
]);

/** @param {{file: {name: string}, prediction: Prediction}[]} photos */
export function csv(photos) {
  const rows = photos.flatMap(({ file, prediction }) =>
    prediction.faces.map(({ box, age, gender, detection_score }, i) => ({
      file: file.name, face: i + 1, ...age, gender: gender.label, probability: gender.probability,
      ...box, detection_score,
    })),
  );
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(","));
  return `${[COLUMNS.join(","), ...lines].join("\n")}\n`;
}

/** @param {string | number} value */
function cell(value) {
  if (typeof value === "number") return value;
  const safe = value.replace(/(^|;)(?=[=+\-@\t\r])/g, "$1'"); // else a spreadsheet would run it
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
