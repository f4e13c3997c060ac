import assert from "node:assert/strict";
import { test } from "node:test";

import { withoutMetadata } from "../../../site/jpeg.js";

const letters = (text) => [...text].map((letter) => letter.charCodeAt(0));
const segment = (marker, ...data) => [0xff, marker, 0, data.length + 2, ...data];
const scan = [...segment(0xda, 1, 1, 0, 0, 63, 0), 0x12, 0xff, 0, 0x34];
const file = (...parts) => Uint8Array.of(0xff, 0xd8, ...parts.flat(), ...scan, 0xff, 0xd9);
const header = [...letters("JFIF\0"), 1, 2, 1, 0, 72, 0, 72];
const plain = segment(0xe0, ...header, 0, 0);

async function sent(bytes) {
  const blob = withoutMetadata(bytes);
  return blob && new Uint8Array(await blob.arrayBuffer());
}

test("a JFIF header stays, unless it has a thumbnail", async () => {
  const thumbnail = [2, 1, 10, 20, 30, 40, 50, 60];
  assert.deepEqual(await sent(file(segment(0xe0, ...header, ...thumbnail))), file());
  assert.deepEqual(await sent(file(plain)), file(plain));
});

test("previews, comments and cameras' notes are not sent", async () => {
  const notes = [
    segment(0xe0, ...letters("JFXX\0"), 0x13, 1, 1, 10, 20, 30),
    segment(0xe1, ...letters("http://ns.adobe.com/xap/1.0/\0"), 1),
    segment(0xe2, ...letters("MPF\0"), 1),
    segment(0xfe, ...letters("by me")),
  ];
  assert.deepEqual(await sent(file(plain, ...notes)), file(plain));
});

test("what ends too early is not taken for a JPEG", async () => {
  assert.equal(await sent(file(plain).subarray(0, 20)), null);
});
