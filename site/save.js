// Answered photos -> a file: JSON and CSV as `scripts/predict` writes them, and the photo with boxes.

import { canvas, encode } from "./canvas.js";
import { text, whole } from "./words.js";

const COLUMNS = [
  "file", "face", "years", "low", "high", "gender", "probability", "x", "y", "width", "height",
  "detection_score",
];

const FORMATS = {
  json: (entries) => new Blob([json(entries)], { type: "application/json" }),
  csv: (entries) => new Blob([csv(entries)], { type: "text/csv" }),
  png: ([entry]) => png(entry),
};

/**
 * Hands a file to the visitor.
 * @param {"json" | "csv" | "png"} format
 * @param {import("./entry.js").Entry[]} entries answered ones; of a PNG, one
 * @param {string} name without extension
 */
export async function save(format, entries, name) {
  const url = URL.createObjectURL(await FORMATS[format](entries));
  Object.assign(document.createElement("a"), { href: url, download: `${name}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers read it later
}

function json(entries) {
  const photos = entries.map(({ file, prediction }) => ({ file: file.name, ...prediction }));
  return `${JSON.stringify(photos, null, 2)}\n`;
}

function csv(entries) {
  const rows = entries.flatMap(({ file, prediction }) =>
    prediction.faces.map(({ box, age, gender, detection_score }, i) => ({
      file: file.name, face: i + 1, ...age, gender: gender.label, probability: gender.probability,
      ...box, detection_score,
    })),
  );
  const lines = rows.map((row) => COLUMNS.map((column) => cell(row[column])).join(","));
  return `${[COLUMNS.join(","), ...lines].join("\n")}\n`;
}

function cell(value) {
  if (typeof value === "number") return value;
  const safe = value.replace(/^[=+\-@\t\r]/, "'$&"); // else a spreadsheet would run it
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function png({ picture, prediction }) {
  const { naturalWidth: width, naturalHeight: height } = picture;
  const context = canvas(width, height);
  context.drawImage(picture, 0, 0);
  const unit = Math.max(width, height) / 400;
  context.font = `600 ${7 * unit}px system-ui, sans-serif`;
  context.textBaseline = "top";
  for (const { box, age } of prediction.faces) {
    for (const [colour, thick] of [["#1a2030", 2], ["#fff", 1]]) {
      context.strokeStyle = colour;
      context.lineWidth = thick * unit;
      context.strokeRect(box.x, box.y, box.width, box.height);
    }
    const label = `${text.about(whole(age.years))} (${age.low}–${age.high})`;
    const wide = context.measureText(label).width + 4 * unit;
    const left = Math.max(0, Math.min(box.x, width - wide));
    const top = Math.min(box.y + box.height, height - 10 * unit);
    context.fillStyle = "#1a2030";
    context.fillRect(left, top, wide, 10 * unit);
    context.fillStyle = "#fff";
    context.fillText(label, left + 2 * unit, top + 1.8 * unit);
  }
  return encode(context, "image/png");
}
