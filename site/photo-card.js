// The card of one photo: waiting, at work, with its prediction, failed or cancelled.

import { clone, find, hasFocus, keepFocus } from "./dom.js";
import { isThere } from "./engine/remote.js";
import { canShare, download, share } from "./export.js";
import { formatBytes, formatInteger, formatShare, messages } from "./i18n.js";
import { showFaces } from "./prediction-view.js";

/** @import { Prediction } from "./engine/engine.d.ts" */
/** @import { PhotoError } from "./errors.js" */
/** @import { PredictedPhoto } from "./export.js" */
/** @import { PreparedPhoto } from "./prepare.js" */

/** @type {PhotoError["kind"][]} */
const FINAL = ["noFace", "tooLarge", "notPhoto", "notImage", "empty", "notReadable", "pageError"];

export class PhotoCard {
  element = clone("#photo-template");
  /** Of `signal`, from when the photo waits. */
  #controller = new AbortController();
  /** @type {Prediction | undefined} */
  #prediction;
  #url = "";
  #handlers;

  /**
   * @param {File} file
   * @param {string} credit
   * @param {{
   *   retry: (card: PhotoCard) => void,
   *   elsewhere: (card: PhotoCard) => void,
   *   remove: (card: PhotoCard) => void,
   *   cancelled: (card: PhotoCard) => void,
   * }} handlers of what the visitor presses
   */
  constructor(file, credit, handlers) {
    this.file = file;
    this.#handlers = handlers;
    this.#find(".name").textContent = file.name;
    this.#find("h3").title = file.name; // it may be cut
    this.#find(".credit").textContent = credit;
    this.#button(".another", () => find("#image", HTMLElement).click());
    this.#button(".retry", () => handlers.retry(this));
    this.#button(".elsewhere", () => handlers.elsewhere(this));
    this.#button(".cancel", () => this.cancel()).ariaLabel = messages.cancelOf(file.name);
    this.#button(".remove", () => handlers.remove(this)).ariaLabel = messages.removeOf(file.name);
    for (const format of ["json", "csv", "png"]) {
      this.#button(`[data-export=${format}]`, () => {
        if (this.result) download(format, [this.result], this.#stem);
      });
    }
    this.#button(".share", () => {
      if (this.result) share(this.result, this.#stem);
    });
    if (!file.type || file.type.startsWith("image/")) this.#showPicture(file);
  }

  /** Aborted once the visitor does not want a prediction of this photo. */
  get signal() {
    return this.#controller.signal;
  }

  /** The photo and its prediction, once there is one. @returns {PredictedPhoto | undefined} */
  get result() {
    const { file } = this;
    return this.#prediction && { file, prediction: this.#prediction, picture: this.#picture };
  }

  showWaiting() {
    this.#controller = new AbortController();
    this.#show(messages.waiting, { busy: true });
  }

  /** @param {string} state  @param {number} [done] which share of it; without, nobody knows */
  showProgress(state, done) {
    const bar = find("progress", HTMLProgressElement, this.element);
    if (done === undefined) bar.removeAttribute("value");
    else bar.value = done;
    this.#show(state, { progress: true, busy: true });
  }

  /** @param {string} state */
  showRetrying(state) {
    this.#show(state, { busy: true });
  }

  /** @param {PhotoError["kind"]} kind */
  showError(kind) {
    const elsewhere = kind.startsWith("local") && isThere;
    const retry = !FINAL.includes(kind);
    this.#show(messages.errors[kind], { retry, elsewhere, remove: true, another: !retry, failed: true });
    this.element.classList.toggle("no-face", kind === "noFace");
    this.element.classList.toggle("no-model", kind === "localGone");
  }

  cancel() {
    if (this.#find(".cancel").hidden) return;
    this.#controller.abort();
    this.#show(messages.cancelled, { retry: true, remove: true });
    this.#handlers.cancelled(this);
  }

  /**
   * @param {PreparedPhoto | null} photo as it was sent; null where it was not
   * @param {Prediction} prediction its faces in the order of their numbers
   */
  async showPrediction(photo, prediction) {
    const { signal } = this;
    const visible = await this.#showPicture(photo?.blob ?? this.file);
    signal.throwIfAborted();
    this.#prediction = prediction;
    showFaces(this.#find(".prediction"), prediction, visible ? this.#picture : null);
    this.#find("[data-export=png]").hidden = !visible;
    this.#find(".share").hidden = !visible || !canShare();
    this.#find(".sent").textContent = photo ? wordsOf(photo) : messages.keptHere;
    const { faces, faces_found: found } = prediction;
    this.#find(".legend").textContent = messages.legend(formatShare(faces[0].age.coverage));
    this.#show(`${messages.faces(found, faces.length)}.`, { remove: true, predicted: true });
  }

  /** Takes the photo off the page and out of memory. */
  discard() {
    URL.revokeObjectURL(this.#url);
    this.element.remove();
  }

  /**
   * Shows the photo; what was shown before stays until then.
   * @param {Blob} photo
   * @returns {Promise<boolean>} whether this browser can
   */
  async #showPicture(photo) {
    const [picture, before] = [this.#picture, this.#url];
    this.#url = picture.src = URL.createObjectURL(photo);
    picture.alt = messages.photoOf(this.file.name);
    const url = this.#url;
    const visible = await picture.decode().then(() => true, () => false);
    URL.revokeObjectURL(before);
    if (url === this.#url) this.#find(".stage").hidden = !visible;
    return visible;
  }

  get #picture() {
    return find(".picture", HTMLImageElement, this.element);
  }

  /** The file's name without its extension. */
  get #stem() {
    return this.file.name.replace(/\.\w+$/, "");
  }

  /**
   * @param {string} state
   * @param {{
   *   busy?: boolean, progress?: boolean, retry?: boolean, elsewhere?: boolean, remove?: boolean,
   *   another?: boolean, failed?: boolean, predicted?: boolean,
   * }} what elsewhere: this device cannot, the service may; another: only another photo helps
   */
  #show(state, { busy, progress, retry, elsewhere, remove, another, failed, predicted }) {
    const focused = hasFocus(this.element);
    this.#find(".state").textContent = state;
    this.element.classList.toggle("busy", Boolean(busy));
    this.element.classList.toggle("failed", Boolean(failed));
    this.#find("progress").hidden = !progress;
    this.#find(".another").hidden = !another;
    this.#find(".retry").hidden = !retry;
    this.#find(".elsewhere").hidden = !elsewhere;
    this.#find(".cancel").hidden = !busy;
    this.#find(".remove").hidden = !remove;
    this.#find(".answers").hidden = !predicted;
    this.#find("footer").hidden = !predicted;
    if (focused) keepFocus(this.element);
  }

  /** @param {string} selector  @param {() => void} pressed */
  #button(selector, pressed) {
    const button = this.#find(selector);
    button.addEventListener("click", pressed);
    return button;
  }

  /** @param {string} selector */
  #find(selector) {
    return find(selector, HTMLElement, this.element);
  }
}

/** What was sent. @param {PreparedPhoto} photo */
function wordsOf({ blob, size }) {
  const bytes = formatBytes(blob.size);
  if (!size) return messages.sentAsItIs(bytes);
  return messages.sentStripped(formatInteger(size.width), formatInteger(size.height), bytes);
}
