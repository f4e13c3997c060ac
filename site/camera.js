// The camera: a live preview and a shutter, in a dialog. It is off as soon as the dialog is closed.

import { canvas, encode } from "./canvas.js";
import { find } from "./dom.js";
import { formatNow, messages } from "./i18n.js";

/** @import { Messages } from "./i18n.js" */

/** @type {Record<string, keyof Messages["cameraErrors"]>} */
const KIND_BY_NAME = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing" };

const dialog = find("#camera", HTMLDialogElement);
const video = find("video", HTMLVideoElement, dialog);
const state = find(".state", HTMLElement, dialog);
const shutter = find(".shutter", HTMLButtonElement, dialog);
const otherCamera = find(".other", HTMLButtonElement, dialog);

let facingMode = "user";
/** @type {MediaStream | undefined} */
let preview;
/** Changes when the camera that was asked for is no longer wanted. */
let turn = 0;
/** @type {((photo: File) => void) | undefined} */
let handlePhoto;

/** Opens the dialog. @param {(photo: File) => void} handler of each photo that the visitor takes */
export function openCamera(handler) {
  handlePhoto = handler;
  dialog.showModal();
  start();
}

async function start() {
  stop();
  const mine = turn;
  state.textContent = messages.cameraStarting;
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "NotFoundError"); // no HTTPS
    const ideal = { facingMode, width: { ideal: 1600 }, height: { ideal: 1200 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: ideal });
    if (mine !== turn) return end(stream);
    preview = video.srcObject = stream;
    video.classList.toggle("mirrored", facingMode === "user");
    await video.play();
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (mine !== turn) return;
    otherCamera.hidden = devices.filter(({ kind }) => kind === "videoinput").length < 2;
    shutter.disabled = false;
    state.textContent = "";
    shutter.focus();
  } catch (error) {
    const name = error instanceof DOMException ? error.name : "";
    if (mine === turn) state.textContent = messages.cameraErrors[KIND_BY_NAME[name] ?? "busy"];
  }
}

function stop() {
  turn += 1;
  if (preview) end(preview);
  preview = undefined;
  video.srcObject = null;
  shutter.disabled = true;
}

/** @param {MediaStream} stream */
function end(stream) {
  for (const track of stream.getTracks()) track.stop();
}

shutter.addEventListener("click", async () => {
  const context = canvas(video.videoWidth, video.videoHeight);
  context.drawImage(video, 0, 0);
  dialog.close();
  const name = messages.cameraName(formatNow());
  handlePhoto?.(new File([await encode(context, "image/png")], name, { type: "image/png" }));
});
otherCamera.addEventListener("click", () => {
  facingMode = facingMode === "user" ? "environment" : "user";
  start();
});
find(".close", HTMLButtonElement, dialog).addEventListener("click", () => dialog.close());
dialog.addEventListener("close", stop);
