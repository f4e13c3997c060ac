// The road in a thread of its own: photos come in, predictions go out.

import { isFaithful } from "../canvas.js";
import { PhotoError } from "../errors.js";
import { Detector, withFreeSides } from "./detector.js";
import { Estimator } from "./estimator.js";
import { Finder } from "./finder.js";
import { Pipeline } from "./pipeline.js";
import { loadSession, setUp } from "./sessions.js";
import { addressOf, read, stored } from "./store.js";

/** @import { Answer, Question } from "./road.d.ts" */

/** @type {Promise<Pipeline> | undefined} */
let pipeline;

// The runtime's script is asked for at once: when there is a photo, nothing has to be.
const runtimeScript = stored().then((bundle) => bundle && import(addressOf(bundle.files.runtime)));
runtimeScript.catch(() => {}); // told when there is a photo

addEventListener("message", async (/** @type {MessageEvent<Question>} */ { data: { id, photo } }) => {
  try {
    pipeline ??= load();
    answer({ id, prediction: await (await pipeline).predict(photo) });
  } catch (error) {
    answer({ id, kind: kindOf(error), detail: String(error) });
  }
});

/** @param {Answer} message */
const answer = (message) => postMessage(message);

async function load() {
  if (!isFaithful(new OffscreenCanvas(8, 8).getContext("2d"))) throw new PhotoError("localCanvas");
  const bundle = await stored();
  if (!bundle) throw new PhotoError("localGone");
  const runtime = setUp(await runtimeScript, await read(bundle, "wasm"));
  const detector = await loadSession(runtime, withFreeSides(await read(bundle, "detector")));
  const estimator = await loadSession(runtime, await read(bundle, "estimator"), "basic");
  return new Pipeline(bundle, new Finder(new Detector(runtime, detector)), new Estimator(runtime, estimator));
}

/** @param {unknown} error  @returns {PhotoError["kind"]} */
function kindOf(error) {
  if (error instanceof PhotoError) return error.kind;
  const words = String(error);
  return error instanceof RangeError || /memory|alloc/i.test(words) ? "localMemory" : "localFailed";
}
