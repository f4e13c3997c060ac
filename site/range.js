// The range of an age, and whether one of its ends is that of the scale: then it is open.

/** @import { Age } from "./engine/engine.d.ts" */

export const OLDEST = 100; // years, the end of the scale

/**
 * @param {Pick<Age, "low" | "high">} age
 * @returns {"between" | "above" | "below"} above: only `low` was found; below: only `high`
 */
export function rangeKind({ low, high }) {
  if (high >= OLDEST) return "above";
  return low <= 0 ? "below" : "between";
}
