// The visitor's choice to be answered on this device: the model's download, and how to undo it.

import { find, hasFocus, keepFocus } from "./dom.js";
import * as local from "./engine/local.js";
import { isThere } from "./engine/remote.js";
import { canStore, forget, keepPage, offered, sizeOf, store, stored } from "./engine/store.js";
import { formatLargeBytes, formatPercent, messages } from "./i18n.js";

/** @import { Bundle } from "./engine/road.d.ts" */
/** @import { Messages } from "./i18n.js" */

const details = find("#on-device", HTMLDetailsElement);
const text = find(".text", HTMLElement, details);
const state = find(".state", HTMLElement, details);
const bar = find("progress", HTMLProgressElement, details);
const downloadButton = find(".download", HTMLElement, details);
const cancelButton = find(".cancel", HTMLElement, details);
const forgetButton = find(".forget", HTMLElement, details);
const privacy = find("#privacy", HTMLElement);

/** What the server offers, once that is known. @type {Bundle | null} */
let offer = null;
let controller = new AbortController();

details.addEventListener("toggle", ask);

/** What the server offers is asked for once the visitor wants to know. */
async function ask() {
  if (!details.open || !bar.hidden) return;
  if (!(await canStore())) return showError("unsupported");
  try {
    offer = await offered();
    state.textContent = "";
    if (offer) await show();
    else showError("missing");
  } catch {
    if (!(await stored())) state.textContent = messages.errors[navigator.onLine ? "unreachable" : "offline"];
  }
}

downloadButton.addEventListener("click", async () => {
  if (!offer) return;
  controller.abort();
  const { signal } = (controller = new AbortController());
  state.textContent = "";
  showBusy(true);
  try {
    await store(offer, signal, (share) => {
      bar.value = share;
      text.textContent = messages.onDeviceDownloading(formatPercent(share));
    });
    local.release(); // it may have the model before
  } catch (error) {
    if (!signal.aborted) {
      showError(error instanceof DOMException && error.name === "QuotaExceededError" ? "full" : "unreachable");
    }
  }
  const focused = hasFocus(details);
  showBusy(false);
  await show(focused);
  find("#announcer", HTMLElement).textContent = text.textContent;
});
cancelButton.addEventListener("click", () => controller.abort());
forgetButton.addEventListener("click", async () => {
  controller.abort(); // the page may be being kept
  local.turnOff();
  await forget();
  await show();
});

/** Says how things are. @param {boolean} focused whether the focus stays here */
async function show(focused = hasFocus(details)) {
  if (!bar.hidden) return; // a download says how far it is
  const kept = await stored();
  const size = offer ? formatLargeBytes(sizeOf(offer)) : "";
  const newer = Boolean(offer && kept && offer.hash !== kept.hash);
  const words = isThere ? messages.onDeviceText : messages.onDeviceNeeded;
  text.textContent = kept ? messages.onDeviceReady : words(size);
  downloadButton.hidden = !offer || Boolean(kept && !newer);
  downloadButton.textContent = newer ? messages.onDeviceNewer(size) : messages.onDeviceDownload(size);
  forgetButton.hidden = !kept;
  if (focused) keepFocus(details);
  showPrivacy(Boolean(kept) || !isThere);
  if (kept) {
    state.textContent = "";
    local.turnOn();
  }
}

addEventListener("model-gone", () => show());

/** @param {boolean} here whether this device looks at photos */
function showPrivacy(here) {
  find(".title", HTMLElement, privacy).textContent = here ? messages.privacyLineHere : messages.privacyLine;
  find(".text", HTMLElement, privacy).textContent = here ? messages.privacyHere : messages.privacy;
}

/** @param {boolean} busy */
function showBusy(busy) {
  bar.hidden = !busy;
  bar.value = 0;
  cancelButton.hidden = !busy;
  if (!busy) return;
  const focused = hasFocus(details);
  for (const button of [downloadButton, forgetButton]) button.hidden = true;
  if (focused) keepFocus(details);
}

/** @param {keyof Messages["onDeviceErrors"]} kind */
function showError(kind) {
  state.textContent = messages.onDeviceErrors[kind];
}

if (!isThere) {
  showPrivacy(true);
  find(".title", HTMLElement, details).textContent = messages.onDeviceAlone;
}
await ask(); // it may be open already
if (await stored()) {
  const { signal } = controller;
  await show();
  const bundle = await offered().catch(() => null); // without a connection the page stays as it is
  if (bundle) await keepPage(bundle, signal).catch(() => {});
}
