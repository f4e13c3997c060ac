// The engine that is this device: photos do not leave the browser.

import { PhotoError } from "../errors.js";

/** @import { Engine } from "./engine.d.ts" */
/** @import { Answer, Question } from "./road.d.ts" */

/**
 * Whether the visitor chose this device. It stays so when the browser throws the model away: no photo is
 * sent unasked then.
 */
export let isOn = false;
/** @type {Worker | undefined} */
let worker;
let lastId = 0;

/** @type {Engine["predict"]} */
export async function predict(photo, signal) {
  /** @type {Question} */
  const question = { id: (lastId += 1), photo };
  const mine = start();
  const ended = new AbortController();
  try {
    return await new Promise((resolve, reject) => {
      const until = { signal: ended.signal };
      signal.addEventListener("abort", () => reject(signal.reason), until);
      mine.addEventListener("error", () => reject(new PhotoError("localFailed")), until);
      mine.addEventListener("released", () => reject(new PhotoError("localGone")), until);
      mine.addEventListener("message", (/** @type {MessageEvent<Answer>} */ { data }) => {
        if (data.id !== question.id) return;
        if ("prediction" in data) return resolve(data.prediction);
        console.info(data.detail); // for whoever wants to know more than the sentence says
        reject(new PhotoError(data.kind));
      }, until);
      mine.postMessage(question);
    });
  } catch (error) {
    if (mine === worker && error instanceof PhotoError && error.kind.startsWith("local")) release(); // to begin anew
    throw error;
  } finally {
    ended.abort();
  }
}

/** Has its scripts here before there is a photo. */
export function turnOn() {
  isOn = true;
  start();
}

/** Gives its memory back. */
export function turnOff() {
  isOn = false;
  release();
}

function start() {
  if (worker) return worker;
  const started = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  started.addEventListener("error", () => {
    if (worker === started) worker = undefined; // the next photo has another try
  });
  return (worker = started);
}

function release() {
  const released = worker;
  worker = undefined;
  released?.terminate();
  released?.dispatchEvent(new Event("released")); // whoever waits for it would wait for ever
}
