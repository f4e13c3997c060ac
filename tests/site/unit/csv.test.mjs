import assert from "node:assert/strict";
import test from "node:test";

import { csv } from "../../../site/csv.js";
import { face, prediction } from "./faces.mjs";

test("a face is a row under the names of the columns", () => {
  const rows = csv([{ file: { name: "a.jpg" }, prediction: prediction(face()) }]).split("\n");
  assert.deepEqual(rows, [
    "file,face,years,low,high,gender,probability,x,y,width,height,detection_score",
    "a.jpg,1,34.2,27,42,female,0.98,200,100,100,120,0.95",
    "",
  ]);
});

for (const [name, cell] of [
  ['a "b", c.jpg', '"a ""b"", c.jpg"'],
  ["a\nb.jpg", '"a\nb.jpg"'],
  ['=HYPERLINK("x")', '"\'=HYPERLINK(""x"")"'],
  ["+1", "'+1"],
  ["-1", "'-1"],
  ["@a", "'@a"],
]) {
  test(`a file named ${JSON.stringify(name)} is told as it is, and not run`, () => {
    const text = csv([{ file: { name }, prediction: prediction(face()) }]);
    assert.ok(text.includes(`\n${cell},1,34.2,`), text);
  });
}
