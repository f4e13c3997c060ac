// A file -> upright RGB pixels, decoded by the browser. As photo.py.

import { PhotoError } from "../errors.js";
import { blank } from "./pixels.js";
import { reduce } from "./resampling.js";

/** @import { Pixels } from "./road.d.ts" */

const MAX_PIXELS = 64_000_000;
const FINEST = 32_000_000; // pixels; JPEGs of more are looked at in half their scale
const REDUCTIONS = [8, 4, 2, 1];
const STRIP = 1 << 20; // pixels drawn at a time

/** An image whose pixels are handed out at the resolution asked for. */
export class Photo {
  /** The finest pixels asked for so far, which answer every coarser request. @type {Pixels | undefined} */
  #pixels;
  #reducedBy = 1;
  #bitmap;
  #isJpeg;

  /**
   * @param {ImageBitmap} bitmap upright
   * @param {boolean} isJpeg
   */
  constructor(bitmap, isJpeg) {
    this.#bitmap = bitmap;
    this.#isJpeg = isJpeg;
    this.width = bitmap.width;
    this.height = bitmap.height;
  }

  /**
   * @param {Blob} file
   * @throws {PhotoError} notPhoto, localMemory
   */
  static async read(file) {
    const start = new Uint8Array(await file.slice(0, 3).arrayBuffer());
    const isJpeg = [0xff, 0xd8, 0xff].every((byte, i) => start[i] === byte);
    /** @type {ImageBitmap} */
    let bitmap;
    try {
      // Colours as they are stored: so the networks have learnt them.
      bitmap = await createImageBitmap(file, { imageOrientation: "from-image", colorSpaceConversion: "none" });
    } catch {
      throw new PhotoError("notPhoto");
    }
    if (bitmap.width * bitmap.height > MAX_PIXELS) {
      bitmap.close();
      throw new PhotoError("localMemory");
    }
    return new Photo(bitmap, isJpeg);
  }

  /**
   * The upright photo, on white where it is transparent. A JPEG comes at the smallest of a few scales
   * whose longer side is still at least `longSide` pixels.
   * @param {number} [longSide] full resolution without
   * @returns {Pixels}
   */
  pixels(longSide = Math.max(this.width, this.height)) {
    const reduction = this.#reduction(longSide);
    if (!this.#pixels || reduction < this.#reducedBy) {
      this.#pixels = undefined; // its memory is needed
      this.#pixels = drawn(this.#bitmap, reduction);
      this.#reducedBy = reduction;
    }
    return this.#pixels;
  }

  /** Gives the memory back. */
  close() {
    this.#bitmap.close();
    this.#pixels = undefined;
  }

  /** @param {number} longSide */
  #reduction(longSide) {
    if (!this.#isJpeg) return 1;
    const coarser = REDUCTIONS.filter((by) => this.width * this.height <= by * by * FINEST);
    const longest = Math.max(this.width, this.height);
    return coarser.find((by) => Math.ceil(longest / by) >= longSide) ?? Math.min(...coarser);
  }
}

/** Strip by strip: no second copy of a large photo is made. @type {(bitmap: ImageBitmap, reduction: number) => Pixels} */
function drawn(bitmap, reduction) {
  const { width, height } = bitmap;
  const result = blank(Math.ceil(width / reduction), Math.ceil(height / reduction));
  const rows = Math.max(1, Math.floor(STRIP / width / reduction)) * reduction;
  const canvas = new OffscreenCanvas(width, Math.min(rows, height));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("This browser has no canvas to draw on.");
  for (let top = 0; top < height; top += rows) {
    context.fillStyle = "white";
    context.fillRect(0, 0, width, canvas.height);
    context.drawImage(bitmap, 0, -top);
    const count = Math.min(rows, height - top);
    const strip = opaque(context.getImageData(0, 0, width, count).data, width, count);
    result.data.set(reduction > 1 ? reduce(strip, reduction).data : strip.data, 3 * result.width * (top / reduction));
  }
  return result;
}

/** Without the fourth byte. @type {(rgba: Uint8ClampedArray, width: number, height: number) => Pixels} */
function opaque(rgba, width, height) {
  const pixels = blank(width, height);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    pixels.data[to] = rgba[from];
    pixels.data[to + 1] = rgba[from + 1];
    pixels.data[to + 2] = rgba[from + 2];
  }
  return pixels;
}
