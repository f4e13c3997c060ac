import assert from "node:assert/strict";
import test from "node:test";

import { hints } from "../../../site/hints.js";
import { face, landmarks } from "./faces.mjs";

const IMAGE = { width: 512, height: 512 };
const age = (low, high) => ({ age: { years: 40, low, high, coverage: 0.9 } });
const box = (x, y, width, height) => ({ box: { x, y, width, height } });

for (const [what, changes, expected] of [
  ["is fine", {}, []],
  ["is 48 pixels wide", box(200, 100, 48, 60), []],
  ["is 47 pixels wide", box(200, 100, 47, 60), ["small"]],
  ["touches the left edge", box(0, 100, 100, 120), ["cut"]],
  ["touches the lower edge", box(200, 392, 100, 120), ["cut"]],
  ["is turned a little", { landmarks: landmarks(263) }, []],
  ["is turned far", { landmarks: landmarks(265) }, ["turned"]],
  ["is turned far to the other side", { landmarks: landmarks(235) }, ["turned"]],
  ["is hardly one", { detection_score: 0.74 }, ["unclear"]],
  ["has a range of 29 years", age(30, 59), []],
  ["has a range of 30 years", age(30, 60), ["wide"]],
  ["has two flaws", { ...age(12, 70), detection_score: 0.6 }, ["unclear", "wide"]],
]) {
  test(`a face that ${what}`, () => assert.deepEqual(hints(face(changes), IMAGE), expected));
}

test("eyes in one place are no division by nothing", () => {
  const points = landmarks(250).map(() => ({ x: 10, y: 10 }));
  assert.deepEqual(hints(face({ landmarks: points }), IMAGE), ["turned"]);
});
