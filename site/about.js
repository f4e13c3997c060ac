// The model's own figures.

import { find } from "./dom.js";
import { formatInteger, formatPercent, formatTenths, messages } from "./i18n.js";

/** @import { ModelDescription } from "./engine/engine.d.ts" */
/** @typedef {{n: number, age_mae: number, interval_coverage: number}} Measured */

const section = find("#about", HTMLElement);
const figures = find("#figures", HTMLElement, section);
const bands = find("#bands", HTMLElement, section);
const model = find("#model", HTMLElement, section);

try {
  const response = await fetch("/api/v1/model");
  if (!response.ok) throw new Error(response.statusText);
  show(await response.json());
} catch {
  figures.textContent = messages.figuresMissing;
}
figures.hidden = false;

/** @param {ModelDescription} description */
function show({ name, version, interval, figures: collections, licence }) {
  const [largest] = collections
    .filter(isMeasured)
    .filter(({ split }) => split !== "val") // what was chosen on it flatters it
    .sort((one, other) => other.n - one.n);
  if (!largest) throw new Error("The model has no figures.");
  figures.textContent = messages.figures({
    faces: formatInteger(largest.n),
    coverage: formatPercent(largest.interval_coverage),
    promised: formatPercent(interval.coverage),
    error: formatTenths(largest.age_mae),
  });
  find("tbody", HTMLElement, bands).replaceChildren(
    ...Object.entries(largest.by_age_band).flatMap(([band, measured]) =>
      isMeasured(measured) ? bandRow(band, measured) : [],
    ),
  );
  bands.hidden = false;
  const inEnglish = Object.assign(document.createElement("span"), { lang: "en", textContent: licence });
  model.append(messages.model(name, version), " ", inEnglish);
  model.hidden = false;
}

/**
 * Whether ages were measured: some collections know genders only.
 * @template {{n: number, age_mae?: number | null, interval_coverage?: number | null}} T
 * @param {T} figures
 * @returns {figures is T & Measured}
 */
function isMeasured(figures) {
  return typeof figures.age_mae === "number" && typeof figures.interval_coverage === "number";
}

/**
 * @param {string} band such as 20-29
 * @param {Measured} measured
 */
function bandRow(band, { n, age_mae: error, interval_coverage: coverage }) {
  const row = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  const [from, to] = band.split("-");
  head.textContent = messages.band(from, to);
  row.append(head);
  for (const value of [formatInteger(n), formatTenths(error), formatPercent(coverage)]) {
    row.insertCell().textContent = value;
  }
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.style.inlineSize = `${Math.min(100, 10 * error)}%`; // ten years fill the cell
  row.cells[2].append(bar);
  return row;
}
