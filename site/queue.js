// The photos of this visit: they are predicted one by one and shown newest first, and nowhere else.

import { find } from "./dom.js";
import * as local from "./engine/local.js";
import * as remote from "./engine/remote.js";
import { stored } from "./engine/store.js";
import { PhotoError, isTransient, retryDelay } from "./errors.js";
import { download } from "./export.js";
import { formatAge, formatGender, formatPercent, formatSeconds, messages } from "./i18n.js";
import { PhotoCard } from "./photo-card.js";
import { check, prepare } from "./prepare.js";
import { inReadingOrder } from "./reading-order.js";

/** @import { Engine, Prediction } from "./engine/engine.d.ts" */

const section = find("#results", HTMLElement);
const list = find("#photos", HTMLElement, section);
const announcer = find("#announcer", HTMLElement);
const pending = find("#pending", HTMLElement, section);
const pendingBar = find("#pending-bar", HTMLProgressElement, section);
const pendingText = find("#pending-text", HTMLElement, section);
const exports = find("#exports", HTMLElement, section);
const removeAll = find("#remove-all", HTMLElement, section);

/** @type {Set<PhotoCard>} */
const cards = new Set();
/** Those that the visitor sends to the service although this device could look. @type {WeakSet<PhotoCard>} */
const sent = new WeakSet();
/** Those not predicted yet. @type {PhotoCard[]} */
const queue = [];
/** How many were queued since the queue was last empty. */
let queued = 0;
let running = false;

/**
 * Puts photos at the end of the queue.
 * @param {File[]} files
 * @param {string} credit of whom the photos are, if not the visitor's
 */
export function add(files, credit) {
  const before = list.firstElementChild;
  for (const file of files) {
    const card = new PhotoCard(file, credit, { retry: enqueue, elsewhere, remove, cancelled });
    cards.add(card);
    list.insertBefore(card.element, before);
    enqueue(card);
  }
  showTotals();
  section.scrollIntoView();
}

/** @param {PhotoCard} card */
function enqueue(card) {
  if (!queue.includes(card, 1)) { // cancelled before its turn, it still has its place
    queue.push(card);
    queued += 1;
  }
  card.showWaiting();
  showTotals();
  run();
}

/** @param {PhotoCard} card */
function elsewhere(card) {
  sent.add(card);
  enqueue(card);
}

async function run() {
  if (running) return;
  running = true;
  while (queue.length) {
    await process(queue[0]);
    queue.shift();
    showTotals();
  }
  queued = 0;
  running = false;
}

/** @param {PhotoCard} card */
async function process(card) {
  const { signal } = card;
  try {
    signal.throwIfAborted();
    card.showProgress(messages.preparing);
    await check(card.file);
    const kept = await stored();
    if (!kept && !remote.isThere) throw new PhotoError("localMissing");
    const here = !sent.has(card) && (local.isOn || kept);
    const photo = here ? null : await prepare(card.file);
    signal.throwIfAborted();
    const prediction = photo
      ? await predictWithRetries(remote, photo.blob, card)
      : await predictWithRetries(local, card.file, card);
    if (!prediction.faces.length) throw new PhotoError("noFace");
    const numbered = { ...prediction, faces: inReadingOrder(prediction.faces) };
    await card.showPrediction(photo, numbered);
    announce(card, describe(numbered));
  } catch (error) {
    if (signal.aborted) return;
    if (!(error instanceof PhotoError)) console.error(error);
    const kind = error instanceof PhotoError ? error.kind : "pageError";
    card.showError(kind);
    if (kind === "localGone") dispatchEvent(new Event("model-gone"));
    announce(card, messages.errors[kind]);
  }
}

/**
 * @param {Engine} engine
 * @param {Blob} photo
 * @param {PhotoCard} card
 */
async function predictWithRetries(engine, photo, card) {
  const { signal } = card;
  for (let attempt = 1; ; attempt += 1) {
    card.showProgress(messages.predicting);
    try {
      return await engine.predict(photo, signal, (share) => {
        if (share < 1) card.showProgress(messages.sending(formatPercent(share)), share);
        else card.showProgress(messages.predicting);
      });
    } catch (error) {
      if (!(error instanceof PhotoError) || !isTransient(error.kind)) throw error;
      const retrying = messages.retrying[error.kind];
      let left = retryDelay(error, attempt);
      if (!left) throw error;
      announce(card, retrying(formatSeconds(left)));
      for (; left > 0; left -= 1) {
        card.showRetrying(retrying(formatSeconds(left)));
        await new Promise((resolve, reject) => {
          setTimeout(resolve, 1000);
          signal.addEventListener("abort", reject);
        });
      }
    }
  }
}

/** For screen readers. @param {Prediction} prediction */
function describe({ faces, faces_found: found }) {
  const each = faces.map(
    ({ age, gender }, i) => `${messages.face(i + 1, formatAge(age))}, ${formatGender(gender)}.`,
  );
  return `${messages.faces(found, faces.length)}. ${each.join(" ")}`;
}

/**
 * @param {PhotoCard} card
 * @param {string} sentence
 */
function announce(card, sentence) {
  announcer.textContent = `${card.file.name}: ${sentence}`;
}

/** @param {PhotoCard} card */
function cancelled(card) {
  announce(card, messages.cancelled);
  showTotals();
}

/** @param {PhotoCard} card */
function remove(card) {
  cards.delete(card);
  card.discard();
  showTotals();
  find(cards.size ? "#results h2" : "#image", HTMLElement).focus();
}

function showTotals() {
  section.hidden = !cards.size;
  document.body.classList.toggle("has-photos", cards.size > 0);
  removeAll.hidden = cards.size < 2;
  const left = queue.filter(({ signal }) => !signal.aborted).length;
  pending.hidden = queued < 2 || !left;
  Object.assign(pendingBar, { max: queued, value: queued - left });
  pendingText.textContent = messages.pending(queued - left, queued);
  exports.hidden = results().length < 2;
}

const results = () => [...cards].flatMap(({ result }) => result ?? []);

find("#cancel-all", HTMLElement, section).addEventListener("click", () => {
  for (const card of queue) card.cancel();
  find("#results h2", HTMLElement).focus();
});
removeAll.addEventListener("click", () => {
  for (const card of cards) {
    card.cancel();
    remove(card);
  }
});
for (const format of ["json", "csv"]) {
  find(`[data-export-all=${format}]`, HTMLElement, section).addEventListener("click", () => {
    download(format, results(), "apparent");
  });
}
