// One photo of this visit, as the page shows it: waiting, at work, answered, failed or cancelled.

import { card } from "./face.js";
import { save } from "./save.js";
import { looks, size, text, whole } from "./words.js";

const TRY_AGAIN = ["offline", "unreachable", "tooSlow", "throttled", "unavailable", "serverError"];
const template = document.querySelector("#photo-template");

export class Entry {
  /** @type {object | undefined} */
  prediction;
  #cancelling;
  #url = "";
  #on;

  /**
   * @param {File} file
   * @param {string} credit
   * @param {{again: (entry: Entry) => void, remove: (entry: Entry) => void, changed: () => void}} on
   *   what the visitor wants of the whole list
   */
  constructor(file, credit, on) {
    this.file = file;
    this.#on = on;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.#find(".name").textContent = file.name;
    this.#find(".credit").textContent = credit;
    this.#button(".again", () => on.again(this));
    this.#button(".cancel", () => this.cancel()).ariaLabel = text.cancelOf(file.name);
    this.#button(".remove", () => on.remove(this)).ariaLabel = text.removeOf(file.name);
    for (const button of this.element.querySelectorAll("[data-save]")) {
      button.addEventListener("click", () => {
        save(button.dataset.save, [this], file.name.replace(/\.\w+$/, ""));
      });
    }
  }

  /** Aborted once the visitor does not want this photo to be looked at. @returns {AbortSignal} */
  get cancelled() {
    return this.#cancelling.signal;
  }

  /** The photo as it was sent, if this browser can show it. @returns {HTMLImageElement} */
  get picture() {
    return this.#find(".picture");
  }

  wait() {
    this.#cancelling = new AbortController();
    this.#show(text.waiting, { cancel: true });
  }

  work(state) {
    this.#show(state, { progress: true, cancel: true });
  }

  hold(state) {
    this.#show(state, { cancel: true });
  }

  fail(kind) {
    this.#show(text.failures[kind], { again: TRY_AGAIN.includes(kind), remove: true, failed: true });
  }

  cancel() {
    if (this.#find(".cancel").hidden) return;
    this.#cancelling.abort();
    this.#show(text.cancelled, { again: true, remove: true });
    this.#on.changed();
  }

  /** Shows what the service answered to a photo that `prepare` made. */
  async answer(photo, prediction) {
    const { picture } = this;
    this.#url = picture.src = URL.createObjectURL(photo.blob);
    picture.alt = text.photoOf(this.file.name);
    const visible = await picture.decode().then(() => true, () => false);
    this.cancelled.throwIfAborted();
    this.prediction = prediction;
    this.#find(".stage").hidden = !visible;
    const cards = prediction.faces.map((face) => card(face, prediction.image, visible && picture));
    this.#find(".faces").replaceChildren(...cards);
    this.#find(".boxes").replaceChildren(...cards.map((one, i) => this.#box(i, one)));
    this.#find("[data-save=png]").hidden = !visible;
    this.#find(".sent").textContent = photo.width
      ? text.sentStripped(whole(photo.width), whole(photo.height), size(photo.blob.size))
      : text.sentAsItIs(size(photo.blob.size));
    const { faces, faces_found: found } = prediction;
    this.#show(`${text.faces(found, faces.length)}.`, { remove: true, answered: true });
  }

  /** Takes the photo off the page and out of memory. */
  discard() {
    URL.revokeObjectURL(this.#url);
    this.element.remove();
  }

  /** The box over a face: pointing at it, or at its card, shows both. */
  #box(index, card) {
    const { image, faces } = this.prediction;
    const face = faces[index];
    const box = document.createElement("button");
    box.type = "button";
    box.ariaLabel = text.face(index + 1, looks(face.age));
    box.style.left = `${(100 * face.box.x) / image.width}%`;
    box.style.top = `${(100 * face.box.y) / image.height}%`;
    box.style.width = `${(100 * face.box.width) / image.width}%`;
    box.style.height = `${(100 * face.box.height) / image.height}%`;
    const label = document.createElement("span");
    label.textContent = text.about(whole(face.age.years));
    const across = (face.box.x + face.box.width / 2) / image.width;
    label.style.translate = `${-100 * across}%`; // so that it stays in the photo at both edges
    label.classList.toggle("inside", face.box.y + face.box.height > 0.93 * image.height);
    box.append(label);
    const light = (on) => () => [box, card].forEach((one) => one.classList.toggle("lit", on));
    for (const one of [box, card]) {
      one.addEventListener("pointerenter", light(true));
      one.addEventListener("pointerleave", light(false));
      one.addEventListener("focus", light(true));
      one.addEventListener("blur", light(false));
    }
    box.addEventListener("click", () => card.focus());
    return box;
  }

  #show(state, { progress, again, cancel, remove, failed, answered }) {
    this.#find(".state").textContent = state;
    this.element.classList.toggle("failed", Boolean(failed));
    this.#find("progress").hidden = !progress;
    this.#find(".again").hidden = !again;
    this.#find(".cancel").hidden = !cancel;
    this.#find(".remove").hidden = !remove;
    this.#find(".answer").hidden = !answered;
    this.#find("footer").hidden = !answered;
  }

  #button(selector, pressed) {
    const button = this.#find(selector);
    button.addEventListener("click", pressed);
    return button;
  }

  #find(selector) {
    return this.element.querySelector(selector);
  }
}
