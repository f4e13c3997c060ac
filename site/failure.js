/** A photo that cannot be answered; `kind` names the sentence of text/ that tells why. */
export class Failure extends Error {
  /** @param {string} kind  @param {number} [retryAfter] seconds that the service wants to be left */
  constructor(kind, retryAfter) {
    super(kind);
    this.kind = kind;
    this.retryAfter = retryAfter;
  }
}
