import assert from "node:assert/strict";
import test from "node:test";

import { retryDelay } from "../../../site/errors.js";

const delays = (kind, retryAfter) => [1, 2, 3, 4].map((n) => retryDelay({ kind, retryAfter }, n));

test("a busy service is left alone for longer each time, whatever little it asks for", () => {
  assert.deepEqual(delays("throttled", 1), [2, 4, 8, undefined]);
  assert.deepEqual(delays("throttled", undefined), [2, 4, 8, undefined]);
});

test("a service without its model is asked when it looks for the model again, not before", () => {
  assert.deepEqual(delays("unavailable", 30), [30, 30, 30, undefined]);
});

test("seconds are whole", () => assert.equal(retryDelay({ kind: "throttled", retryAfter: 2.5 }, 1), 3));

test("nobody is kept waiting for an hour", () => {
  assert.deepEqual(delays("unavailable", 3600), [undefined, undefined, undefined, undefined]);
});

test("what does not pass by itself is not tried again", () => {
  assert.deepEqual(delays("notPhoto", 1), [undefined, undefined, undefined, undefined]);
});
