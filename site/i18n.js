// The visitor's language: the messages of locales/, and numbers as that language writes them.

import { rangeKind } from "./range.js";

/** @import { Age, Gender } from "./engine/engine.d.ts" */
/** @typedef {typeof import("./locales/en.js").default} Messages */

const LANGUAGES = ["en", "de"];

const preferred = [new URLSearchParams(location.search).get("lang"), ...navigator.languages];
/** The first preferred one that has a file; `?lang=` comes before the browser's. */
const language =
  preferred.map((tag) => tag?.split("-")[0] ?? "").find((tag) => LANGUAGES.includes(tag)) ?? "en";
/** @type {{default: Messages}} */
const { default: messages } = await import(`./locales/${language}.js`);
export { messages };

/** Puts the messages into a document or template; English is there already. @param {ParentNode} root */
function translate(root) {
  if (language === "en") return;
  if (root instanceof Document) {
    root.documentElement.lang = language;
    root.documentElement.dir = messages.direction;
    for (const template of root.querySelectorAll("template")) translate(template.content);
  }
  for (const element of root.querySelectorAll("[data-i18n]")) {
    const key = element.getAttribute("data-i18n") ?? "";
    element.textContent = text(key);
  }
  for (const element of root.querySelectorAll("[data-i18n-alt]")) {
    element.setAttribute("alt", text(element.getAttribute("data-i18n-alt") ?? ""));
  }
}

/** @param {string} key */
const text = (key) => String(/** @type {Record<string, unknown>} */ (messages)[key]);

translate(document); // here, so that whatever another module writes comes after it

/** @param {Intl.NumberFormatOptions} options */
function formatter(options) {
  /** @type {Intl.NumberFormat} */
  let format; // when needed: the first takes a browser 30 ms
  return (/** @type {number} */ value) => (format ??= new Intl.NumberFormat(language, options)).format(value);
}
const grouped = formatter({ maximumFractionDigits: 0 });
/** @param {number} value */
export const formatInteger = (value) => (value < 1000 ? value.toFixed() : grouped(value));
export const formatTenths = formatter({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
/** @param {number} share */
export const formatPercent = (share) => messages.percent(formatInteger(100 * share));
export const formatSeconds = formatter({ style: "unit", unit: "second", unitDisplay: "long" });
const formatKilobytes = formatter({ style: "unit", unit: "kilobyte", maximumFractionDigits: 0 });
/** In kB. @param {number} bytes */
export const formatBytes = (bytes) => formatKilobytes(bytes / 1000);
const formatMegabytes = formatter({ style: "unit", unit: "megabyte", maximumFractionDigits: 0 });
/** In MB. @param {number} bytes */
export const formatLargeBytes = (bytes) => formatMegabytes(bytes / 1e6);
/** The time of day, to the second. */
export const formatNow = () => new Date().toLocaleTimeString(language);

/** "looks about 34 (27 to 42)". @param {Age} age */
export const formatAge = (age) => messages.age(formatInteger(age.years), formatRange(age, "short"));
/**
 * "27 to 42", or as a part of a sentence "lies between 27 and 42".
 * @param {Pick<Age, "low" | "high">} age
 * @param {"short" | "sentence"} form
 */
export const formatRange = (age, form) =>
  messages.range[rangeKind(age)][form](formatInteger(age.low), formatInteger(age.high));
/** "9 in 10". @param {number} share */
export const formatShare = (share) => {
  const tenths = Math.round(share * 1000) % 100 === 0;
  return messages.inOf(formatInteger(share * (tenths ? 10 : 100)), formatInteger(tenths ? 10 : 100));
};
/** "perceived female, 98%". @param {Gender} gender */
export const formatGender = ({ label, probability }) =>
  messages.gender[label](formatPercent(probability));
