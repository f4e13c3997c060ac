// What answers photos: remote.js, the HTTP API, or local.js, this device.
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
   * @param photo an image file; small enough to send, if it is sent
   * @param signal aborted once the prediction is no longer wanted
   * @param sending told which share of the photo was sent, 0 to 1
   * @throws PhotoError, and the reason that `signal` was aborted with
   */
  predict(photo: Blob, signal: AbortSignal, sending: (share: number) => void): Promise<Prediction>;
}
