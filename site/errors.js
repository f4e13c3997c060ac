// Why a photo has no prediction, and when a busy service is asked again.

/** @import { Messages } from "./i18n.js" */

/** `kind` names the sentence of locales/ that tells why. */
export class PhotoError extends Error {
  /**
   * @param {keyof Messages["errors"]} kind
   * @param {number} [retryAfter] seconds that the service wants to be left alone
   */
  constructor(kind, retryAfter) {
    super(kind);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}

const ATTEMPTS = 4;
const MAX_DELAY = 60; // seconds; nobody waits longer before a page

/**
 * Seconds until the next attempt: twice as long each time, and never less than Retry-After.
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
