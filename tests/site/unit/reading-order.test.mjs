import assert from "node:assert/strict";
import test from "node:test";

import { inReadingOrder } from "../../../site/reading-order.js";

const named = (name, x, y, height) => ({ name, box: { x, y, width: height, height } });

for (const [what, faces, expected] of [
  ["in one row go from left to right", [named("b", 300, 90, 100), named("a", 10, 110, 100)], "ab"],
  ["in rows go row by row", [named("c", 5, 300, 80), named("b", 200, 20, 80), named("a", 0, 0, 80)], "abc"],
  ["of a small and a large one side by side", [named("b", 600, 60, 116), named("a", 130, 93, 219)], "ab"],
  ["of a child below a parent", [named("b", 0, 300, 90), named("a", 50, 100, 120)], "ab"],
]) {
  test(`faces ${what}`, () => {
    assert.equal(inReadingOrder(faces).map(({ name }) => name).join(""), expected);
  });
}

test("the list that is ordered stays as it was", () => {
  const faces = [named("b", 300, 0, 9), named("a", 0, 0, 9)];
  inReadingOrder(faces);
  assert.deepEqual(faces.map(({ name }) => name), ["b", "a"]);
});
