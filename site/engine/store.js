// The model and its runtime in this browser: downloaded once, checked, kept by the bundle's hash; and the
// page beside them.

import { PhotoError } from "../errors.js";

/** @import { Bundle, Role, StoredFile } from "./road.d.ts" */

const BUNDLE = new URL("../on-device/bundle.json", import.meta.url).href;
const MODEL_CACHE = "apparent-model-";
const PAGE_CACHE = "apparent-page-";
const WORKER = new URL("../service-worker.js", import.meta.url);
/** What the server has now, whatever is kept. @type {RequestInit} */
const ANEW = { cache: "no-cache", mode: "same-origin" };

/** Whether this browser can keep files: not without HTTPS, nor where the visitor blocks it. */
export const canStore = async () =>
  "caches" in globalThis && "subtle" in crypto && caches.keys().then(() => true, () => false);

/** What this browser has, if it is whole. @returns {Promise<Bundle | null>} */
export async function stored() {
  if (!(await canStore())) return null;
  for (const name of await cachesOf(MODEL_CACHE)) {
    const cache = await caches.open(name);
    const index = await cache.match(BUNDLE);
    if (!index) continue;
    /** @type {Bundle} */
    const bundle = await index.json();
    const files = await Promise.all(Object.values(bundle.files).map((file) => cache.match(addressOf(file))));
    if (files.every(Boolean)) return bundle;
  }
  return null;
}

/** What the server offers; null where it has none. @returns {Promise<Bundle | null>} */
export async function offered() {
  const response = await fetch(BUNDLE, ANEW);
  return response.ok ? response.json() : null;
}

/** The bytes that a visitor has to wait for. @param {Bundle} bundle */
export const sizeOf = ({ files }) => Object.values(files).reduce((sum, { bytes }) => sum + bytes, 0);

/**
 * Downloads what the bundle names, and keeps it in place of what was kept before.
 * @type {(bundle: Bundle, signal: AbortSignal, progress: (share: number) => void) => Promise<void>}
 */
export async function store(bundle, signal, progress) {
  const cache = await caches.open(MODEL_CACHE + bundle.hash);
  const total = sizeOf(bundle);
  let here = 0;
  for (const file of Object.values(bundle.files)) {
    const before = here;
    if (!(await cache.match(addressOf(file)))) {
      await keep(cache, file, signal, (bytes) => progress((before + bytes) / total));
    }
    here = before + file.bytes;
    progress(here / total);
  }
  await keepPage(bundle, signal);
  await cache.put(BUNDLE, Response.json(bundle));
  for (const name of await cachesOf(MODEL_CACHE)) {
    if (name !== MODEL_CACHE + bundle.hash) await caches.delete(name);
  }
}

/**
 * Keeps the page itself, too, and has it shown where there is no connection.
 * @type {(bundle: Bundle, signal: AbortSignal) => Promise<void>}
 */
export async function keepPage({ hash, page }, signal) {
  signal.throwIfAborted();
  const name = `${PAGE_CACHE}${page.hash}-${hash}`; // the model's figures are among its files
  const cache = await caches.open(name);
  if ((await cache.keys()).length < page.files.length) { // a download that broke off left it empty
    await cache.addAll(page.files.map((path) => new Request(new URL(path, WORKER), { ...ANEW, signal })));
  }
  signal.throwIfAborted();
  for (const other of await cachesOf(PAGE_CACHE)) if (other !== name) await caches.delete(other);
  signal.throwIfAborted();
  await navigator.serviceWorker?.register(WORKER);
}

/** Gives all of it back. */
export async function forget() {
  for (const name of await cachesOf("apparent-")) await caches.delete(name);
  for (const worker of (await navigator.serviceWorker?.getRegistrations()) ?? []) await worker.unregister();
}

/** A file that is kept. @param {Bundle} bundle  @param {Role} role */
export async function read({ hash, files }, role) {
  const cache = await caches.open(MODEL_CACHE + hash);
  const response = await cache.match(addressOf(files[role]));
  if (!response) throw new PhotoError("localGone");
  return new Uint8Array(await response.arrayBuffer());
}

/** @param {StoredFile} file */
export const addressOf = ({ url }) => new URL(url, BUNDLE).href;

/** @param {string} prefix */
const cachesOf = async (prefix) => (await caches.keys()).filter((name) => name.startsWith(prefix));

/** @type {(cache: Cache, file: StoredFile, signal: AbortSignal, progress: (bytes: number) => void) => Promise<void>} */
async function keep(cache, file, signal, progress) {
  const response = await fetch(addressOf(file), { signal });
  if (!response.ok || !response.body) throw new Error(`${file.url}: ${response.status}`);
  let bytes = 0;
  /** @type {TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>} */
  const counter = new TransformStream({
    transform(chunk, controller) {
      progress((bytes += chunk.length));
      controller.enqueue(chunk);
    },
  });
  const content = await unpacked(await new Response(response.body.pipeThrough(counter)).blob());
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (sha256 !== file.sha256) throw new Error(`${file.url} is not the file that it should be.`);
  const headers = { "Content-Type": "text/javascript" }; // as the runtime is
  await cache.put(addressOf(file), new Response(content, { headers }));
}

/** @param {Blob} file whom some servers unpack themselves  @returns {Promise<ArrayBuffer>} */
async function unpacked(file) {
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  const packed = first === 0x1f && second === 0x8b; // gzip
  return packed ? new Response(file.stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer() : file.arrayBuffer();
}
