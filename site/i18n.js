// The visitor's language: the messages of locales/, and numbers as that language writes them.

/** @import { Age, Gender } from "./engine/engine.d.ts" */
/** @typedef {typeof import("./locales/en.js").default} Messages */

const LANGUAGES = ["en", "de"];

const preferred = [new URLSearchParams(location.search).get("lang"), ...navigator.languages];
/** The first preferred one that has a file; `?lang=` comes before the browser's. */
export const language =
  preferred.map((tag) => tag?.split("-")[0] ?? "").find((tag) => LANGUAGES.includes(tag)) ?? "en";
/** @type {{default: Messages}} */
const { default: messages } = await import(`./locales/${language}.js`);
export { messages };

/** Puts the messages into a document or template; English is there already. @param {ParentNode} root */
export function translate(root) {
  if (language === "en") return;
  if (root instanceof Document) {
    root.documentElement.lang = language;
    root.documentElement.dir = messages.direction;
    for (const template of root.querySelectorAll("template")) translate(template.content);
  }
  for (const element of root.querySelectorAll("[data-i18n]")) {
    const key = element.getAttribute("data-i18n") ?? "";
    element.textContent = String(/** @type {Record<string, unknown>} */ (messages)[key]);
  }
}

/** @param {Intl.NumberFormatOptions} options */
function formatter(options) {
  const format = new Intl.NumberFormat(language, options);
  return (/** @type {number} */ value) => format.format(value);
}
export const formatInteger = formatter({ maximumFractionDigits: 0 });
export const formatTenths = formatter({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
export const formatPercent = formatter({ style: "percent" });
export const formatSeconds = formatter({ style: "unit", unit: "second", unitDisplay: "long" });
const formatKilobytes = formatter({ style: "unit", unit: "kilobyte", maximumFractionDigits: 0 });
/** In kB. @param {number} bytes */
export const formatBytes = (bytes) => formatKilobytes(bytes / 1000);
/** The time of day, to the second. */
export const formatNow = () => new Date().toLocaleTimeString(language);

/** "looks about 34 (27 to 42)". @param {Age} age */
export const formatAge = ({ years, low, high }) =>
  messages.age(formatInteger(years), formatInteger(low), formatInteger(high));
/** "perceived as female (98%)". @param {Gender} gender */
export const formatGender = ({ label, probability }) =>
  messages.gender[label](formatPercent(probability));
