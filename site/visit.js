// The photos of this visit: they are worked one by one and shown newest first, and nowhere else.

import { ask } from "./ask.js";
import { Entry } from "./entry.js";
import { Failure } from "./failure.js";
import { prepare } from "./prepare.js";
import { save } from "./save.js";
import { gender, looks, seconds, text } from "./words.js";

const RETRIED = ["throttled", "unavailable"];
const ATTEMPTS = 4;
const LONGEST_PAUSE = 30; // seconds

const section = document.querySelector("#visit");
const heading = section.querySelector("h2");
const list = section.querySelector("#photos");
const announcer = document.querySelector("#announcer");
const pending = section.querySelector("#pending");
const pendingBar = section.querySelector("#pending-bar");
const pendingText = section.querySelector("#pending-text");
const answered = section.querySelector("#answered");

/** @type {Set<Entry>} */
const entries = new Set();
/** Those not worked yet, and of how many, since there was nothing to do. @type {Entry[]} */
const queue = [];
let batch = 0;
let working = false;

/**
 * Puts photos at the end of the queue.
 * @param {File[]} files
 * @param {string} credit of whom the photos are, if not the visitor's
 */
export function add(files, credit) {
  const before = list.firstElementChild;
  for (const file of files) {
    const entry = new Entry(file, credit, { again: enqueue, remove, changed: summarise });
    entries.add(entry);
    list.insertBefore(entry.element, before);
    enqueue(entry);
  }
  section.hidden = false;
  section.scrollIntoView();
}

function enqueue(entry) {
  queue.push(entry);
  batch += 1;
  entry.wait();
  summarise();
  work();
}

async function work() {
  if (working) return;
  working = true;
  while (queue.length) {
    await look(queue[0]);
    queue.shift();
    summarise();
  }
  batch = 0;
  working = false;
}

async function look(entry) {
  const { cancelled } = entry;
  try {
    cancelled.throwIfAborted();
    entry.work(text.preparing);
    const photo = await prepare(entry.file);
    cancelled.throwIfAborted();
    const prediction = await askPatiently(photo.blob, entry);
    if (!prediction.faces.length) throw new Failure("noFace");
    await entry.answer(photo, prediction);
    announce(entry, told(prediction));
  } catch (error) {
    if (cancelled.aborted) return;
    if (!(error instanceof Failure)) console.error(error);
    const kind = error instanceof Failure ? error.kind : "pageError";
    entry.fail(kind);
    announce(entry, text.failures[kind]);
  }
}

/** As `ask`, again after a while where the service has too much to do. */
async function askPatiently(photo, entry) {
  for (let attempt = 1; ; attempt += 1) {
    entry.work(text.looking);
    try {
      return await ask(photo, entry.cancelled);
    } catch (error) {
      if (!RETRIED.includes(error.kind) || attempt === ATTEMPTS) throw error;
      let left = Math.min(error.retryAfter ?? 2 ** attempt, LONGEST_PAUSE);
      announce(entry, text.retrying[error.kind](seconds(left)));
      for (; left > 0; left -= 1) {
        entry.hold(text.retrying[error.kind](seconds(left)));
        await pause(1000, entry.cancelled);
      }
    }
  }
}

function pause(milliseconds, cancelled) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    cancelled.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(cancelled.reason);
    });
  });
}

function told({ faces, faces_found: found }) {
  const each = faces.map(
    (face, i) => `${text.face(i + 1, looks(face.age))}, ${gender(face.gender)}.`,
  );
  return `${text.faces(found, faces.length)}. ${each.join(" ")}`;
}

function announce(entry, sentence) {
  announcer.textContent = `${entry.file.name}: ${sentence}`;
}

function remove(entry) {
  entries.delete(entry);
  entry.discard();
  summarise();
  section.hidden = !entries.size;
  (entries.size ? heading : document.querySelector("#image")).focus();
}

function summarise() {
  const left = queue.filter((entry) => !entry.cancelled.aborted).length;
  pending.hidden = batch < 2 || !left;
  Object.assign(pendingBar, { max: batch, value: batch - left });
  pendingText.textContent = text.pending(batch - left, batch);
  answered.hidden = [...entries].filter((entry) => entry.prediction).length < 2;
}

section.querySelector("#cancel-all").addEventListener("click", () => {
  for (const entry of queue) entry.cancel();
});
section.querySelector("#remove-all").addEventListener("click", () => {
  for (const entry of entries) {
    entry.cancel();
    remove(entry);
  }
});
for (const button of section.querySelectorAll("[data-save-all]")) {
  button.addEventListener("click", () => {
    save(button.dataset.saveAll, [...entries].filter((entry) => entry.prediction), "apparent");
  });
}
