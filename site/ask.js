// A prepared photo -> the service's answer.

import { Failure } from "./failure.js";

const ADDRESS = "/api/v1/predict";
const PATIENCE = 60_000; // milliseconds; the service has 30 s, and the photo must travel
const KIND_OF = {
  400: "notPhoto",
  413: "tooLarge",
  415: "notPhoto",
  422: "notPhoto",
  429: "throttled",
  503: "unavailable",
  504: "tooSlow",
};

/**
 * @param {Blob} photo
 * @param {AbortSignal} cancelled
 * @returns {Promise<object>} a Prediction, see /api/v1/docs
 * @throws {Failure} and what `cancelled` was aborted with
 */
export async function ask(photo, cancelled) {
  const form = new FormData();
  form.append("image", photo, "photo"); // not the file's own name: it may tell something
  const signal = AbortSignal.any([cancelled, AbortSignal.timeout(PATIENCE)]);
  try {
    const response = await fetch(ADDRESS, { method: "POST", body: form, signal });
    if (response.ok) return await predictionOf(response);
    const retryAfter = Number(response.headers.get("Retry-After")) || undefined;
    throw new Failure(KIND_OF[response.status] ?? "serverError", retryAfter);
  } catch (error) {
    cancelled.throwIfAborted();
    if (error instanceof Failure) throw error;
    if (error.name === "TimeoutError") throw new Failure("tooSlow");
    throw new Failure(navigator.onLine ? "unreachable" : "offline");
  }
}

async function predictionOf(response) {
  const text = await response.text();
  try {
    const prediction = JSON.parse(text);
    if (Array.isArray(prediction.faces)) return prediction;
  } catch {
    // a proxy's page, perhaps
  }
  throw new Failure("serverError");
}
