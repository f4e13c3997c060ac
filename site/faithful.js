// Whether pixels come back as they were drawn; browsers that resist fingerprinting return noise.

/** @param {CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D | null} context of 8 x 8 pixels */
export function isFaithful(context) {
  if (!context) return false;
  context.fillStyle = "rgb(40 120 200)";
  context.fillRect(0, 0, 8, 8);
  const { data } = context.getImageData(0, 0, 8, 8);
  return data.every((value, i) => Math.abs(value - [40, 120, 200, 255][i % 4]) < 8);
}
