// The engine that is a service: photos go to the HTTP API.

import { PhotoError } from "../errors.js";

/** @import { Engine, Prediction } from "./engine.d.ts" */

const ENDPOINT = "/api/v1/predict";
const TIMEOUT = 60_000; // milliseconds; the service has 30 s, and the photo must travel
/** @type {Record<number, PhotoError["kind"]>} */
const KIND_BY_STATUS = {
  400: "notPhoto",
  413: "tooLarge",
  415: "notPhoto",
  422: "notPhoto",
  429: "throttled",
  503: "unavailable",
  504: "tooSlow",
};

/** @type {Engine["predict"]} */
export async function predict(photo, signal) {
  const form = new FormData();
  form.append("image", photo, "photo"); // not the file's own name: it may tell something
  const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]);
  try {
    const response = await fetch(ENDPOINT, { method: "POST", body: form, signal: either });
    if (response.ok) return await read(response);
    const retryAfter = Number(response.headers.get("Retry-After")) || undefined; // or it is a date
    throw new PhotoError(KIND_BY_STATUS[response.status] ?? "serverError", retryAfter);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PhotoError) throw error;
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new PhotoError("tooSlow");
    }
    throw new PhotoError(navigator.onLine ? "unreachable" : "offline");
  }
}

/** @param {Response} response  @returns {Promise<Prediction>} */
async function read(response) {
  const text = await response.text();
  try {
    const prediction = JSON.parse(text);
    if (Array.isArray(prediction.faces)) return prediction;
  } catch {
    // a proxy's page, perhaps
  }
  throw new PhotoError("serverError");
}
