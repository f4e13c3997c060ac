/** @import { Messages } from "./i18n.js" */

/** A photo without a prediction; `kind` names the sentence of locales/ that tells why. */
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
