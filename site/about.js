// The model's own figures, from its manifest.

import { percent, tenth, text, whole } from "./words.js";

const section = document.querySelector("#about");
const figures = section.querySelector("#figures");
const bands = section.querySelector("#bands");
const model = section.querySelector("#model");

try {
  const response = await fetch("/api/v1/model");
  if (!response.ok) throw new Error(response.statusText);
  show(await response.json());
} catch {
  figures.textContent = text.figuresMissing;
}
figures.hidden = false;

function show({ name, version, interval, metrics, licence }) {
  const [widest] = Object.entries(metrics)
    .filter(([split]) => split !== "val") // what was chosen on it flatters it
    .sort(([, one], [, other]) => other.n - one.n);
  const measured = widest?.[1] ?? metrics.val;
  figures.textContent = text.figures({
    faces: whole(measured.n),
    holds: percent(measured.interval_coverage),
    promised: percent(interval.coverage),
    error: tenth(measured.age_mae),
  });
  bands.tBodies[0].replaceChildren(...Object.entries(measured.by_age_band).map(row));
  bands.hidden = false;
  model.append(text.model(name, version), " ", english(licence));
  model.hidden = false;
}

function row([band, { n, age_mae: error, interval_coverage: holds }]) {
  const line = document.createElement("tr");
  const head = document.createElement("th");
  head.scope = "row";
  head.textContent = text.band(...band.split("-"));
  line.append(head);
  for (const value of [whole(n), tenth(error), percent(holds)]) {
    line.insertCell().textContent = value;
  }
  const bar = document.createElement("div");
  bar.className = "bar";
  bar.style.inlineSize = `${Math.min(100, 10 * error)}%`; // ten years fill the cell
  line.cells[2].append(bar);
  return line;
}

function english(words) {
  const span = document.createElement("span");
  span.lang = "en";
  span.textContent = words;
  return span;
}
