// onnxruntime-web's sessions, set up the same way for both networks: WebAssembly, one thread.

/** @import { Runtime, Session } from "./road.d.ts" */

/** @type {(runtime: Runtime, wasm: Uint8Array) => Runtime} */
export function setUp(runtime, wasm) {
  runtime.env.wasm.numThreads = 1; // more were not faster, and would need two headers more
  runtime.env.wasm.wasmBinary = wasm;
  return runtime;
}

/**
 * `optimisation` is what may be fused: of int8 products as little as there is, since fused ones round
 * otherwise and answer farther from the library.
 * @type {(runtime: Runtime, model: Uint8Array, optimisation?: "basic" | "all") => Promise<Session>}
 */
export function loadSession({ InferenceSession }, model, optimisation = "all") {
  return InferenceSession.create(model, {
    executionProviders: ["wasm"],
    graphOptimizationLevel: optimisation,
    logSeverityLevel: 3, // errors only: YuNet's declared output shapes are too narrow
  });
}
