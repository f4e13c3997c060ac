// A prediction beside its photo: numbered boxes over the faces, and a card for each.

import { find } from "./dom.js";
import { faceCard } from "./face-card.js";
import { formatAge, formatInteger, messages } from "./i18n.js";

/** @import { Face, Prediction, Size } from "./engine/engine.d.ts" */

const MANY = 4; // faces, from which on the cards are small

/**
 * @param {Element} root with `.boxes` over the photo, and `.faces`
 * @param {Pick<Prediction, "faces" | "image">} prediction its faces in the order of their numbers
 * @param {HTMLImageElement | null} picture the photo, if it can be shown
 */
export function showFaces(root, { faces, image }, picture) {
  root.classList.toggle("alone", faces.length === 1);
  root.classList.toggle("many", faces.length >= MANY);
  const cards = faces.map((face, i) =>
    faceCard(face, image, { number: i + 1, alone: faces.length === 1, picture }),
  );
  const boxes = faces.map((face, i) => faceBox(face, image, i + 1, faces.length > 1));
  boxes.forEach((box, i) => tie(box, cards[i]));
  find(".faces", HTMLElement, root).replaceChildren(...cards);
  find(".boxes", HTMLElement, root).replaceChildren(...boxes);
}

/**
 * @param {Face} face
 * @param {Size} image the photo's size in pixels
 * @param {number} number
 * @param {boolean} numbered whether the number is shown
 */
function faceBox({ box, age }, image, number, numbered) {
  const button = document.createElement("button");
  button.type = "button";
  button.ariaLabel = messages.face(number, formatAge(age));
  const share = (/** @type {number} */ part, /** @type {number} */ whole) => `${(100 * part) / whole}%`;
  button.style.left = share(box.x, image.width);
  button.style.top = share(box.y, image.height);
  button.style.width = share(box.width, image.width);
  button.style.height = share(box.height, image.height);
  const label = document.createElement("span");
  label.className = "label";
  label.textContent = formatInteger(age.years);
  label.classList.toggle("inside", box.y + box.height > 0.93 * image.height);
  label.classList.toggle("at-left", box.x < 0.03 * image.width);
  label.classList.toggle("at-right", box.x + box.width > 0.97 * image.width);
  button.append(label);
  if (numbered) {
    const pin = document.createElement("span");
    pin.className = "number";
    pin.textContent = formatInteger(number);
    button.append(pin);
  }
  return button;
}

/**
 * Pointing at a box, or at its card, shows both; pressing one goes to the other.
 * @param {HTMLElement} box
 * @param {HTMLElement} card
 */
function tie(box, card) {
  /** @param {boolean} on */
  const highlight = (on) => () => {
    for (const element of [box, card]) element.classList.toggle("highlighted", on);
  };
  for (const element of [box, card]) {
    element.addEventListener("pointerenter", highlight(true));
    element.addEventListener("pointerleave", highlight(false));
    element.addEventListener("focusin", highlight(true));
    element.addEventListener("focusout", highlight(false));
  }
  box.addEventListener("click", () => card.focus());
  find(".pin", HTMLElement, card).addEventListener("click", () => box.focus());
}
