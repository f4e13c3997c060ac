// The card of one face: its crop, age on a scale, gender, and what makes the answer doubtful.

import { gender, looks, text } from "./words.js";

const OLDEST = 100; // years, the end of the scale
const SMALL = 48; // pixels a side, of a face in the photo as it was sent
const UNCLEAR = 0.75; // detection score
const TURNED = 0.28; // how far the nose may be from between the eyes, in distances of the eyes
const WIDE = 30; // years from low to high
const MARGIN = 0.25; // around the face in its crop, in sides of its box

const template = document.querySelector("#face-template");

/**
 * @param {object} face of a Prediction
 * @param {{width: number, height: number}} image the photo's size in pixels
 * @param {HTMLImageElement | false} picture the photo, if it can be shown
 * @returns {HTMLLIElement}
 */
export function card(face, image, picture) {
  const element = template.content.firstElementChild.cloneNode(true);
  element.querySelector(".age").textContent = looks(face.age);
  element.querySelector(".gender").textContent = gender(face.gender);
  const { low, high, years } = face.age;
  const interval = element.querySelector(".interval");
  interval.style.insetInlineStart = along(low);
  interval.style.inlineSize = along(high - low);
  element.querySelector(".years").style.insetInlineStart = along(years);
  element.querySelector(".hints").replaceChildren(
    ...hints(face, image).map((hint) => {
      const item = document.createElement("li");
      item.textContent = text.hints[hint];
      return item;
    }),
  );
  const crop = element.querySelector(".crop");
  crop.hidden = !picture;
  if (picture) draw(crop, face.box, picture);
  return element;
}

const along = (years) => `${(100 * years) / OLDEST}%`;

function draw(crop, box, picture) {
  const side = Math.max(box.width, box.height) * (1 + 2 * MARGIN);
  const left = box.x + (box.width - side) / 2;
  const top = box.y + (box.height - side) / 2;
  const context = crop.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left, top, side, side, 0, 0, crop.width, crop.height);
}

/** @returns {string[]} keys of `hints` in text/ */
function hints({ box, detection_score: score, landmarks, age }, image) {
  const [rightEye, leftEye, nose] = landmarks;
  const eyes = { x: leftEye.x - rightEye.x, y: leftEye.y - rightEye.y };
  const along = (nose.x - rightEye.x) * eyes.x + (nose.y - rightEye.y) * eyes.y;
  const between = along / (eyes.x ** 2 + eyes.y ** 2 || 1); // 0 at one eye, 1 at the other
  const found = {
    small: Math.min(box.width, box.height) < SMALL,
    cut:
      box.x <= 0 || box.y <= 0 ||
      box.x + box.width >= image.width || box.y + box.height >= image.height,
    turned: Math.abs(between - 0.5) > TURNED,
    unclear: score < UNCLEAR,
    wide: age.high - age.low >= WIDE,
  };
  return Object.keys(found).filter((hint) => found[hint]);
}
