// The engine that is a service: photos go to the HTTP API.

import { PhotoError } from "../errors.js";

/** @import { Engine, Prediction } from "./engine.d.ts" */

/** A page that is published without a service says so in its first line. */
export const isThere = document.documentElement.dataset.service !== "none";

const ENDPOINT = "/api/v1/predict";
const TIMEOUT = 300_000; // milliseconds; a large photo may travel for minutes
/** @type {Record<number, PhotoError["kind"]>} */
const KIND_BY_STATUS = {
  400: "unreachable", // the upload broke off
  403: "throttled", // by the firewall: too many from one address
  413: "tooLarge",
  415: "notPhoto",
  422: "notPhoto",
  429: "throttled",
  503: "unavailable",
  504: "tooSlow",
};

/** @type {Engine["predict"]} */
export async function predict(photo, signal, sending) {
  const form = new FormData();
  form.append("image", photo, "photo"); // not the file's own name: it may tell something
  const either = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]);
  try {
    const { status, responseText, retryAfter } = await post(form, either, sending);
    if (status >= 200 && status < 300) return read(responseText);
    throw new PhotoError(KIND_BY_STATUS[status] ?? "serverError", retryAfter);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof PhotoError) throw error;
    if (error instanceof DOMException && error.name === "TimeoutError") {
      throw new PhotoError("tooSlow");
    }
    throw new PhotoError(navigator.onLine ? "unreachable" : "offline");
  }
}

/**
 * As fetch would, but fetch does not tell how much was sent.
 * @param {FormData} form
 * @param {AbortSignal} signal
 * @param {(share: number) => void} sending
 * @returns {Promise<{status: number, responseText: string, retryAfter?: number}>}
 */
function post(form, signal, sending) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = () => {
      request.abort();
      reject(signal.reason);
    };
    request.open("POST", ENDPOINT);
    request.upload.addEventListener("progress", ({ loaded, total }) => sending(total ? loaded / total : 1));
    request.addEventListener("load", () => {
      const { status, responseText } = request;
      const retryAfter = Number(request.getResponseHeader("Retry-After")) || undefined; // or it is a date
      resolve({ status, responseText, retryAfter });
    });
    request.addEventListener("error", reject);
    request.addEventListener("loadend", () => signal.removeEventListener("abort", abort));
    signal.addEventListener("abort", abort);
    request.send(form);
  });
}

/** @param {string} text  @returns {Prediction} */
function read(text) {
  try {
    const prediction = JSON.parse(text);
    if (Array.isArray(prediction.faces)) return prediction;
  } catch {
    // a proxy's page, perhaps
  }
  throw new PhotoError("serverError");
}
