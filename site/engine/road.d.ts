// What travels from step to step of the road on this device, and what it is set up from.
import type { PhotoError } from "../errors.js";
import type { Prediction } from "./engine.d.ts";

/** RGB, three bytes a pixel, row by row. */
export interface Pixels {
  data: Uint8Array;
  width: number;
  height: number;
}

/** A photo at any resolution. */
export interface Picture {
  width: number;
  height: number;
  /** The smallest scale there is whose longer side is still at least so many pixels; the full one without. */
  pixels(longSide?: number): Pixels;
}

/** x and y, in pixels or as fractions of a chip's side. */
export type Point = [number, number];
/** Right eye, left eye, nose, right and left mouth corner; 'right' is the person's right. */
export type Landmarks = Point[];

/** (x', y') = (ax - by + x, bx + ay + y). */
export interface Similarity {
  a: number;
  b: number;
  x: number;
  y: number;
}

/** May reach beyond the photo. */
export type Corners = [left: number, top: number, right: number, bottom: number];

/** One face, in pixels of the picture it was found in. */
export interface Detection {
  box: Corners;
  landmarks: Landmarks;
  /** 0 to 1. */
  score: number;
}

/** Probabilities: of each age in years, and of a woman. */
export interface Estimate {
  ages: Float32Array;
  female: number;
}

/** Of the interval's policy: which years belong to it, where the answer is of that age or more. */
export interface Region {
  first_age: number;
  lowest: number;
  highest: number;
}

/** A file to download: its bytes then, and its sha256 once unpacked. */
export interface StoredFile {
  url: string;
  bytes: number;
  sha256: string;
}

export type Role = "runtime" | "wasm" | "detector" | "estimator";

/** on-device/bundle.json. */
export interface Bundle {
  hash: string;
  model: { name: string; version: string };
  input: { chip_size: number; template: Landmarks };
  policy: { interval: { coverage: number; regions: Region[] }; gender: { uncertain_below: number } };
  files: Record<Role, StoredFile>;
  page: { hash: string; files: string[] };
}

/** What is used of onnxruntime-web. */
export interface Runtime {
  env: { wasm: { numThreads: number; wasmBinary: Uint8Array } };
  Tensor: new (type: string, data: Uint8Array | Float32Array, dims: number[]) => object;
  InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
}
export type Outputs = Record<string, { data: Float32Array }>;
export interface Session {
  run(feeds: Record<string, object>): Promise<Outputs>;
}

/** To the worker, and from it. */
export type Question = { id: number; photo: Blob };
export type Answer =
  | { id: number; prediction: Prediction }
  | { id: number; kind: PhotoError["kind"]; detail: string };
