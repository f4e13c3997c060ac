// The visitor's language: the words of text/, and numbers as that language writes them.

const LANGUAGES = ["en", "de"];

const wished = [new URLSearchParams(location.search).get("lang"), ...navigator.languages];
/** The first of the languages wished that there is a file for; `?lang=` comes before the browser's. */
export const language =
  wished.map((tag) => tag?.split("-")[0]).find((tag) => LANGUAGES.includes(tag)) ?? "en";
export const { default: text } = await import(`./text/${language}.js`);

/** Puts the words into a document or template; English is there already. */
export function translate(root) {
  if (language === "en") return;
  if (root === document) {
    root.documentElement.lang = language;
    root.documentElement.dir = text.direction;
    for (const template of root.querySelectorAll("template")) translate(template.content);
  }
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = text[element.dataset.text];
  }
}

const formatter = (options) => {
  const format = new Intl.NumberFormat(language, options);
  return (value) => format.format(value);
};
export const whole = formatter({ maximumFractionDigits: 0 });
export const tenth = formatter({ minimumFractionDigits: 1, maximumFractionDigits: 1 });
export const percent = formatter({ style: "percent" });
export const seconds = formatter({ style: "unit", unit: "second", unitDisplay: "long" });
const kilobytes = formatter({ style: "unit", unit: "kilobyte", maximumFractionDigits: 0 });
/** A size in bytes, in kB. */
export const size = (bytes) => kilobytes(bytes / 1000);
/** The time of day, to the second. */
export const time = () => new Date().toLocaleTimeString(language);

/** "looks about 34 (27 to 42)", of an age as the API answers it. */
export const looks = ({ years, low, high }) => text.looks(whole(years), whole(low), whole(high));
/** "perceived as female (98%)", of a gender as the API answers it. */
export const gender = ({ label, probability }) => text.gender[label](percent(probability));
