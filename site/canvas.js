// Pixels to draw on, and the files they become.

/**
 * @param {number} width
 * @param {number} height
 * @returns {CanvasRenderingContext2D} of a new canvas
 */
export function canvas(width, height) {
  return context2d(Object.assign(document.createElement("canvas"), { width, height }));
}

/** @param {HTMLCanvasElement} canvas */
export function context2d(canvas) {
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser has no canvas to draw on.");
  return context;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {string} type
 * @param {number} [quality]
 * @returns {Promise<Blob>} what the context's canvas shows
 */
export function encode({ canvas }, type, quality) {
  return new Promise((resolve, reject) => {
    /** @param {Blob | null} blob */
    const done = (blob) => (blob ? resolve(blob) : reject(new Error("The canvas has no pixels.")));
    canvas.toBlob(done, type, quality);
  });
}

/**
 * Whether pixels come back as they were drawn; browsers that resist fingerprinting return noise.
 * @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null} context of 8 x 8 pixels
 */
export function isFaithful(context) {
  if (!context) return false;
  context.fillStyle = "rgb(40 120 200)";
  context.fillRect(0, 0, 8, 8);
  const { data } = context.getImageData(0, 0, 8, 8);
  return data.every((value, i) => Math.abs(value - [40, 120, 200, 255][i % 4]) < 8);
}
