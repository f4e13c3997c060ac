// When a service that is busy, or not ready, is asked again.

/** @import { PhotoError } from "./errors.js" */

const ATTEMPTS = 4;
const MAX_DELAY = 60; // seconds; nobody waits longer before a page

/**
 * Seconds until the next attempt: twice as long each time, and never less than Retry-After, before
 * which an attempt would be in vain.
 * @param {Pick<PhotoError, "kind" | "retryAfter">} error that an attempt ended with
 * @param {number} attempt from 1
 * @returns {number | undefined} nothing where no attempt should follow
 */
export function retryDelay({ kind, retryAfter = 0 }, attempt) {
  if (!isTransient(kind)) return undefined;
  const delay = Math.max(Math.ceil(retryAfter), 2 ** attempt);
  return attempt < ATTEMPTS && delay <= MAX_DELAY ? delay : undefined;
}

/**
 * Whether such an error passes by itself.
 * @param {PhotoError["kind"]} kind
 * @returns {kind is "throttled" | "unavailable"}
 */
export const isTransient = (kind) => kind === "throttled" || kind === "unavailable";
