// The ways in; the rest is loaded after the first paint.
// Without JavaScript the form posts by itself and the answer is JSON.

/** @import { Messages } from "./i18n.js" */

const form = /** @type {HTMLFormElement} */ (document.querySelector("#upload"));
const input = /** @type {HTMLInputElement} */ (document.querySelector("#image"));
const notice = /** @type {HTMLElement} */ (document.querySelector("#notice"));

form.classList.add("ready");
input.multiple = true; // the plain form sends one
input.addEventListener("change", take);
if (input.files?.length) take(); // chosen before this script came
form.addEventListener("submit", (event) => event.preventDefault());

document.addEventListener("paste", async ({ clipboardData }) => {
  const files = [...(clipboardData?.files ?? [])];
  if (!files.length) return;
  const { formatNow, messages } = await import("./i18n.js");
  add(files.map((file) => new File([file], messages.pastedName(formatNow()), { type: file.type })));
});

document.addEventListener("dragover", (event) => {
  event.preventDefault(); // else the browser would leave the page for the file
  const hasFiles = event.dataTransfer?.types.includes("Files");
  document.body.classList.toggle("dragging", Boolean(hasFiles));
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const files = [...(event.dataTransfer?.files ?? [])];
  if (files.length) add(files);
  else showError("nothingDropped");
});

document.querySelector("#open-camera")?.addEventListener("click", async () => {
  (await load("camera"))?.openCamera((/** @type {File} */ photo) => add([photo]));
});

for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", async () => {
    const credit = button.querySelector("small")?.textContent ?? "";
    try {
      const response = await fetch(button.getAttribute("data-sample") ?? "");
      if (!response.ok) throw new Error(response.statusText);
      const name = button.querySelector("strong")?.textContent ?? "";
      add([new File([await response.blob()], name, { type: "image/jpeg" })], credit);
    } catch {
      showError("sampleMissing");
    }
  });
}

function take() {
  add([...(input.files ?? [])]);
  input.value = ""; // so that the same photo can be chosen again
}

/** @param {File[]} files  @param {string} [credit] */
async function add(files, credit = "") {
  notice.textContent = "";
  (await load("queue"))?.add(files, credit);
}

/** A module, or a sentence where it does not come. @param {string} name */
function load(name) {
  return import(`./${name}.js`).catch(() => showError("pageError"));
}

/** @param {keyof Messages["errors"]} kind */
async function showError(kind) {
  const loaded = await import("./i18n.js").catch(() => null);
  notice.textContent = loaded?.messages.errors[kind] ?? form.dataset.pageError ?? "";
  notice.scrollIntoView({ block: "nearest" });
}

if (location.search || !navigator.language.startsWith("en")) {
  load("i18n"); // which translates the page
}
requestAnimationFrame(() => setTimeout(async () => {
  await load("example");
  new IntersectionObserver(([about], near) => {
    if (!about.isIntersecting) return;
    near.disconnect();
    load("about");
  }, { rootMargin: "50%" }).observe(/** @type {HTMLElement} */ (document.querySelector("#about")));
  load("on-device"); // last: it may download
}));
(globalThis.requestIdleCallback ?? setTimeout)(() => {
  // To be there when needed.
  import("./queue.js").catch(() => {});
  import("./camera.js").catch(() => {});
});
