// A distribution over ages -> the age answered, and its interval. As ages.py of the library.

import { rint } from "./resampling.js";

/** @import { Region } from "./road.d.ts" */

/** The median, in years; each probability is spread evenly over its year. @param {Float32Array} ages */
export function medianAge(ages) {
  const cumulative = cumulated(ages);
  const target = 0.5 * cumulative[ages.length - 1];
  const found = cumulative.findIndex((share) => share >= target);
  const index = found < 0 ? ages.length - 1 : found;
  const mass = ages[index];
  const missing = target - (cumulative[index] - mass);
  const within = mass > 0 ? Math.min(Math.max(missing / mass, 0), 1) : 0.5;
  return Math.min(Math.max(index - 0.5 + within, 0), ages.length - 1);
}

/**
 * Lowest and highest whole year of the interval, both included.
 * @type {(ages: Float32Array, regions: Region[]) => {low: number, high: number}}
 */
export function interval(ages, regions) {
  const year = rint(medianAge(ages));
  const region = regions.findLast(({ first_age: first }) => first <= year) ?? regions[0];
  const cumulative = cumulated(ages);
  const inside = Array.from(ages, (mass, age) => {
    const below = (cumulative[age] - mass / 2) / cumulative[ages.length - 1];
    return (region.lowest <= below && below <= region.highest) || age === year;
  });
  return { low: inside.indexOf(true), high: inside.lastIndexOf(true) };
}

/** @param {Float32Array} ages */
function cumulated(ages) {
  let sum = 0;
  return Float64Array.from(ages, (mass) => (sum += mass));
}
