// A JPEG without what tells more than its picture: the same pixels, no re-encoding.

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const APP0 = 0xe0;
const APP1 = 0xe1;
const APP2 = 0xe2;
const APP14 = 0xee;
const APP15 = 0xef;
/** By marker and name; others of the same marker are previews and cameras' notes. */
const KEPT = /** @type {const} */ ([[APP0, "JFIF\0"], [APP2, "ICC_PROFILE\0"], [APP14, "Adobe"]]);
const COMMENT = 0xfe;
const ORIENTATION = 0x0112;
const SHORT = 3;
const JFIF_BYTES = 18;

/**
 * The first picture of a JPEG file, with its orientation and colours and nothing else: no EXIF, XMP,
 * comments, thumbnail, nor what lies behind it (previews, videos).
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @returns {Blob | null} null where the bytes are not a JPEG as it should be
 */
export function withoutMetadata(bytes) {
  const segments = walk(bytes);
  if (!segments) return null;
  const exif = segments.find(({ marker, start }) => marker === APP1 && isNamed(bytes, start, "Exif\0\0"));
  const turned = exif ? orientation(bytes.subarray(exif.start + 10, exif.end)) : 1;
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [Uint8Array.of(0xff, SOI)];
  if (turned !== 1) parts.push(exifOf(turned));
  for (const segment of segments) {
    if (isKept(bytes, segment)) parts.push(bytes.subarray(segment.start, segment.end));
  }
  return new Blob([...parts, Uint8Array.of(0xff, EOI)], { type: "image/jpeg" });
}

/** @typedef {{marker: number, start: number, end: number}} Segment */

/**
 * Every segment up to the end of the first picture; a scan with its entropy-coded data is one.
 * @param {Uint8Array} bytes
 * @returns {Segment[] | null}
 */
function walk(bytes) {
  if (bytes[0] !== 0xff || bytes[1] !== SOI) return null;
  const segments = [];
  let start = 2;
  for (;;) {
    while (bytes[start] === 0xff && bytes[start + 1] === 0xff) start += 1; // fill bytes
    if (bytes[start] !== 0xff || start + 1 >= bytes.length) return null;
    const marker = bytes[start + 1];
    if (marker === EOI) return segments;
    if (start + 4 > bytes.length) return null;
    let end = start + 2 + uint16(bytes, start + 2);
    if (marker === SOS) end = endOfScan(bytes, end);
    if (end > bytes.length) return null;
    segments.push({ marker, start, end });
    start = end;
  }
}

/**
 * In entropy-coded data FF is followed by 00, or by a restart marker D0 to D7.
 * @param {Uint8Array} bytes
 * @param {number} from
 */
function endOfScan(bytes, from) {
  for (let at = bytes.indexOf(0xff, from); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1];
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
  return bytes.length + 1;
}

/**
 * @param {Uint8Array} bytes
 * @param {Segment} segment
 */
function isKept(bytes, { marker, start, end }) {
  if (marker === COMMENT) return false;
  if (marker < APP0 || marker > APP15) return true;
  if (marker === APP0 && end - start > JFIF_BYTES) return false; // with a thumbnail
  return KEPT.some(([of, name]) => marker === of && isNamed(bytes, start, name));
}

/**
 * @param {Uint8Array} bytes
 * @param {number} start of the segment
 * @param {string} name
 */
function isNamed(bytes, start, name) {
  return [...name].every((letter, i) => bytes[start + 4 + i] === letter.charCodeAt(0));
}

/**
 * EXIF's orientation, 1 to 8; 1 where there is none.
 * @param {Uint8Array} tiff
 */
function orientation(tiff) {
  const little = tiff[0] === 0x49;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  if (tiff.length < 14) return 1;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const count = view.getUint16(directory, little);
  for (let i = 0; i < count; i += 1) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.length) return 1;
    if (view.getUint16(entry, little) !== ORIENTATION) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/**
 * A segment of EXIF that says the orientation and nothing else.
 * @param {number} value
 */
function exifOf(value) {
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, SHORT, 0, 0, 0, 1, 0, value, 0, 0, 0, 0, 0, 0];
  const name = [..."Exif\0\0"].map((letter) => letter.charCodeAt(0));
  return Uint8Array.of(0xff, APP1, 0, 2 + name.length + tiff.length, ...name, ...tiff);
}

/**
 * @param {Uint8Array} bytes
 * @param {number} at
 */
function uint16(bytes, at) {
  return bytes[at] * 256 + bytes[at + 1];
}
