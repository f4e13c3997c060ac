// The card of one photo: waiting, at work, with its prediction, failed or cancelled.

import { clone, find } from "./dom.js";
import { download } from "./export.js";
import { faceCard } from "./face-card.js";
import { formatAge, formatBytes, formatInteger, messages } from "./i18n.js";

/** @import { Face, Prediction, Size } from "./engine/engine.d.ts" */
/** @import { PhotoError } from "./errors.js" */
/** @import { PredictedPhoto } from "./export.js" */
/** @import { PreparedPhoto } from "./prepare.js" */

/** @type {PhotoError["kind"][]} */
const RETRIABLE = ["offline", "unreachable", "tooSlow", "throttled", "unavailable", "serverError"];

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
   *   remove: (card: PhotoCard) => void,
   *   cancelled: () => void,
   * }} handlers of what the visitor presses
   */
  constructor(file, credit, handlers) {
    this.file = file;
    this.#handlers = handlers;
    this.#find(".name").textContent = file.name;
    this.#find(".credit").textContent = credit;
    this.#button(".retry", () => handlers.retry(this));
    this.#button(".cancel", () => this.cancel()).ariaLabel = messages.cancelOf(file.name);
    this.#button(".remove", () => handlers.remove(this)).ariaLabel = messages.removeOf(file.name);
    for (const format of ["json", "csv", "png"]) {
      this.#button(`[data-export=${format}]`, () => {
        if (this.result) download(format, [this.result], file.name.replace(/\.\w+$/, ""));
      });
    }
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
    this.#show(messages.waiting, { cancel: true });
  }

  /** @param {string} state */
  showProgress(state) {
    this.#show(state, { progress: true, cancel: true });
  }

  /** @param {string} state */
  showRetrying(state) {
    this.#show(state, { cancel: true });
  }

  /** @param {PhotoError["kind"]} kind */
  showError(kind) {
    const retry = RETRIABLE.includes(kind);
    this.#show(messages.errors[kind], { retry, remove: true, failed: true });
  }

  cancel() {
    if (this.#find(".cancel").hidden) return;
    this.#controller.abort();
    this.#show(messages.cancelled, { retry: true, remove: true });
    this.#handlers.cancelled();
  }

  /**
   * @param {PreparedPhoto} photo as it was sent
   * @param {Prediction} prediction
   */
  async showPrediction(photo, prediction) {
    const picture = this.#picture;
    this.#url = picture.src = URL.createObjectURL(photo.blob);
    picture.alt = messages.photoOf(this.file.name);
    const visible = await picture.decode().then(() => true, () => false);
    this.signal.throwIfAborted();
    this.#prediction = prediction;
    this.#find(".stage").hidden = !visible;
    const { faces, faces_found: found, image } = prediction;
    const cards = faces.map((face) => faceCard(face, image, visible ? picture : null));
    this.#find(".faces").replaceChildren(...cards);
    this.#find(".boxes").replaceChildren(
      ...faces.map((face, i) => faceBox(face, i + 1, image, cards[i])),
    );
    this.#find("[data-export=png]").hidden = !visible;
    const size = formatBytes(photo.blob.size);
    this.#find(".sent").textContent = photo.size
      ? messages.sentStripped(
          formatInteger(photo.size.width), formatInteger(photo.size.height), size,
        )
      : messages.sentAsItIs(size);
    this.#show(`${messages.faces(found, faces.length)}.`, { remove: true, predicted: true });
  }

  /** Takes the photo off the page and out of memory. */
  discard() {
    URL.revokeObjectURL(this.#url);
    this.element.remove();
  }

  /** The photo as it was sent, if this browser can show it. */
  get #picture() {
    return find(".picture", HTMLImageElement, this.element);
  }

  /**
   * @param {string} state
   * @param {{
   *   progress?: boolean, retry?: boolean, cancel?: boolean, remove?: boolean,
   *   failed?: boolean, predicted?: boolean,
   * }} visible
   */
  #show(state, { progress, retry, cancel, remove, failed, predicted }) {
    this.#find(".state").textContent = state;
    this.element.classList.toggle("failed", Boolean(failed));
    this.#find("progress").hidden = !progress;
    this.#find(".retry").hidden = !retry;
    this.#find(".cancel").hidden = !cancel;
    this.#find(".remove").hidden = !remove;
    this.#find(".prediction").hidden = !predicted;
    this.#find("footer").hidden = !predicted;
  }

  /**
   * @param {string} selector
   * @param {() => void} pressed
   */
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

/**
 * The box over a face: pointing at it, or at its card, shows both.
 * @param {Face} face
 * @param {number} number
 * @param {Size} image the photo's size in pixels
 * @param {HTMLElement} card
 */
function faceBox({ box, age }, number, image, card) {
  const button = document.createElement("button");
  button.type = "button";
  button.ariaLabel = messages.face(number, formatAge(age));
  button.style.left = `${(100 * box.x) / image.width}%`;
  button.style.top = `${(100 * box.y) / image.height}%`;
  button.style.width = `${(100 * box.width) / image.width}%`;
  button.style.height = `${(100 * box.height) / image.height}%`;
  const label = document.createElement("span");
  label.textContent = messages.approximately(formatInteger(age.years));
  const across = (box.x + box.width / 2) / image.width;
  label.style.translate = `${-100 * across}%`; // so that it stays in the photo at both edges
  label.classList.toggle("inside", box.y + box.height > 0.93 * image.height);
  button.append(label);
  /** @param {boolean} on */
  const highlight = (on) => () => {
    for (const element of [button, card]) element.classList.toggle("highlighted", on);
  };
  for (const element of [button, card]) {
    element.addEventListener("pointerenter", highlight(true));
    element.addEventListener("pointerleave", highlight(false));
    element.addEventListener("focus", highlight(true));
    element.addEventListener("blur", highlight(false));
  }
  button.addEventListener("click", () => card.focus());
  return button;
}
