// The finished example that the empty page shows: what the service answers to that portrait.
// `scripts/check-page --update` writes the answer anew.

import { find } from "./dom.js";
import { showFaces } from "./prediction-view.js";

/** @import { Prediction } from "./engine/engine.d.ts" */

const example = find("#example .prediction", HTMLElement);
const picture = find(".picture", HTMLImageElement, example);

const response = await fetch("samples/example.json");
if (!response.ok) throw new Error(response.statusText);
/** @type {Pick<Prediction, "faces" | "image">} */
const prediction = await response.json();
showFaces(example, prediction, picture);
