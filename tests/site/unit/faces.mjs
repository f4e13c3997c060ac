// Made-up faces, as the API answers them.

/** A face that nothing is wrong with, but for the changes, in a photo of 512 x 512 pixels. */
export const face = (changes = {}) => ({
  box: { x: 200, y: 100, width: 100, height: 120 },
  detection_score: 0.95,
  landmarks: landmarks(250),
  age: { years: 34.2, low: 27, high: 42, coverage: 0.9 },
  gender: { label: "female", probability: 0.98 },
  ...changes,
});

/** Eyes at 225 and 275, and a nose at `x`. */
export const landmarks = (x) =>
  [[225, 150], [275, 150], [x, 170], [230, 195], [270, 195]].map(([x, y]) => ({ x, y }));

export const prediction = (...faces) => ({ faces });
