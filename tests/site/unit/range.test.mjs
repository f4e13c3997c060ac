import assert from "node:assert/strict";
import test from "node:test";

import { rangeKind } from "../../../site/range.js";

for (const [low, high, expected] of [
  [27, 42, "between"],
  [82, 100, "above"],
  [81, 99, "between"],
  [0, 7, "below"],
  [1, 7, "between"],
  [0, 100, "above"],
]) {
  test(`a range from ${low} to ${high} is ${expected}`, () => assert.equal(rangeKind({ low, high }), expected));
}
