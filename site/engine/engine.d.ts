// What answers photos. There is one engine so far, remote.js: the HTTP API.
import type { components } from "./api.d.ts";

type Schemas = components["schemas"];
export type Prediction = Schemas["Prediction"];
export type Face = Schemas["Face"];
export type Age = Schemas["Age"];
export type Box = Schemas["Box"];
export type Gender = Schemas["Gender"];
export type Size = Schemas["Image"];
export type ModelDescription = Schemas["ModelDescription"];

export interface Engine {
  /**
   * @param photo an image file, upright, small enough to send
   * @param signal aborted once the prediction is no longer wanted
   * @throws PhotoError, and the reason that `signal` was aborted with
   */
  predict(photo: Blob, signal: AbortSignal): Promise<Prediction>;
}
