// Pixels to draw on, and the files they become.

/** The 2D context of a new canvas. */
export function canvas(width, height) {
  return Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
}

/** @returns {Promise<Blob>} what a context's canvas shows */
export function encode({ canvas }, type, quality) {
  return new Promise((resolve, reject) => {
    const done = (blob) => (blob ? resolve(blob) : reject(new Error("The canvas has no pixels.")));
    canvas.toBlob(done, type, quality);
  });
}
