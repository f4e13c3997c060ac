// The engine that is this device: photos do not leave the browser.

import { PhotoError } from "../errors.js";

/** @import { Engine } from "./engine.d.ts" */
/** @import { Answer, Question } from "./road.d.ts" */

/** Whether the visitor chose this device; it stays so when the browser throws the model away. */
export let isOn = false;
/** @type {Worker | undefined} */
let worker;
let lastId = 0;

/** @type {Engine["predict"]} */
export async function predict(photo, signal, sending) {
  /** @type {Question} */
  const question = { id: (lastId += 1), photo };
  const mine = start();
  const ended = new AbortController();
  try {
    return await new Promise((resolve, reject) => {
      const until = { signal: ended.signal };
      signal.addEventListener("abort", () => reject(signal.reason), until);
      mine.addEventListener("error", () => reject(new PhotoError("localFailed")), until);
      mine.addEventListener("released", () => {
        if (isOn) resolve(predict(photo, signal, sending)); // by a newer model
        else reject(new PhotoError("localGone"));
      }, until);
      mine.addEventListener("message", (/** @type {MessageEvent<Answer>} */ { data }) => {
        if (data.id !== question.id) return;
        if ("prediction" in data) return resolve(data.prediction);
        console.info(data.detail); // for whoever wants to know more than the sentence says
        reject(new PhotoError(data.kind));
      }, until);
      mine.postMessage(question);
    }).finally(() => ended.abort());
  } catch (error) {
    const failed = error instanceof PhotoError && error.kind.startsWith("local");
    if (mine === worker && (failed || signal.aborted)) release(); // to begin anew
    throw error;
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

/** Whoever waits for its answer begins anew, where this device is still to look. */
export function release() {
  const released = worker;
  worker = undefined;
  released?.terminate();
  released?.dispatchEvent(new Event("released"));
}
