// A file -> a photo small enough to send: at most 1,600 px a side, without metadata.

import { canvas, encode, isFaithful } from "./canvas.js";
import { PhotoError } from "./errors.js";
import { withoutMetadata } from "./jpeg.js";

/** @import { Size } from "./engine/engine.d.ts" */

const LONG_SIDE = 1600;
const QUALITY = 0.95;
const MAX_BYTES = 4_400_000; // what fits into a Lambda event, in base64 and with a form around it

/**
 * With its size in pixels: a small JPEG's own bytes but for its metadata, else re-encoded. Without: the file
 * as it is, which the browser cannot read but the service might.
 * @typedef {{blob: Blob, size?: Size}} PreparedPhoto
 */

/**
 * @param {File} file
 * @throws {PhotoError} notReadable, empty, notImage
 */
export async function check(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new PhotoError("notReadable");
  }
  if (!file.size) throw new PhotoError("empty");
  if (file.type && !file.type.startsWith("image/")) throw new PhotoError("notImage");
}

/** Whether the service reads such files: JPEG, PNG, GIF, BMP, WebP, AVIF. @param {Uint8Array} bytes */
function isOfService(bytes) {
  const start = String.fromCharCode(...bytes.subarray(0, 64));
  return /^(\xff\xd8\xff|\x89PNG|GIF8|BM|RIFF[^]{4}WEBP|[^]{4}ftyp[^]*avi[fs])/.test(start);
}

/**
 * @param {File} file that was checked
 * @returns {Promise<PreparedPhoto>}
 * @throws {PhotoError} tooLarge, notPhoto
 */
export async function prepare(file) {
  const bitmap = await createImageBitmap(file, {
    imageOrientation: "from-image", colorSpaceConversion: "none", // as the service reads it
  }).catch(() => null);
  if (!bitmap || !isFaithful(canvas(8, 8))) {
    if (file.size > MAX_BYTES) throw new PhotoError("tooLarge");
    const bytes = new Uint8Array(await file.arrayBuffer());
    if (!isOfService(bytes)) throw new PhotoError("notPhoto"); // it would be sent in vain, with its metadata
    const blob = withoutMetadata(bytes);
    const size = bitmap ? { width: bitmap.width, height: bitmap.height } : undefined;
    bitmap?.close();
    return blob ? { blob, size } : { blob: file };
  }
  const full = { width: bitmap.width, height: bitmap.height };
  const scale = Math.min(1, LONG_SIDE / Math.max(full.width, full.height));
  if (scale === 1 && file.size <= MAX_BYTES) {
    const blob = withoutMetadata(new Uint8Array(await file.arrayBuffer()));
    if (blob) {
      bitmap.close();
      return { blob, size: full };
    }
  }
  const width = Math.max(1, Math.round(full.width * scale));
  const height = Math.max(1, Math.round(full.height * scale));
  const context = canvas(width, height);
  context.fillStyle = "white"; // where the photo is transparent, as the service does it
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return { blob: await encode(context, "image/jpeg", QUALITY), size: { width, height } };
}
