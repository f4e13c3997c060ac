// The camera: a live preview and a shutter, in a dialog. It is off as soon as the dialog is closed.

import { canvas, encode } from "./canvas.js";
import { find } from "./dom.js";
import { formatNow, messages } from "./i18n.js";

const dialog = find("#camera", HTMLDialogElement);
const video = find("video", HTMLVideoElement, dialog);
const state = find(".state", HTMLElement, dialog);
const shutter = find(".shutter", HTMLButtonElement, dialog);
const otherCamera = find(".other", HTMLButtonElement, dialog);

/** Of the one that was on last. @type {string | undefined} */
let deviceId;
/** @type {MediaDeviceInfo[]} */
let cameras = [];
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
    const which = deviceId ? { deviceId: { exact: deviceId } } : { facingMode: "user" };
    const ideal = { ...which, width: { ideal: 1600 }, height: { ideal: 1200 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: ideal });
    if (mine !== turn) return end(stream);
    preview = video.srcObject = stream;
    const [track] = stream.getVideoTracks();
    track.onended = start; // unplugged, or no longer allowed
    const settings = track.getSettings();
    deviceId = settings.deviceId;
    video.classList.toggle("mirrored", settings.facingMode !== "environment");
    await video.play();
    const devices = await navigator.mediaDevices.enumerateDevices();
    if (mine !== turn) return;
    cameras = devices.filter(({ kind }) => kind === "videoinput");
    otherCamera.hidden = cameras.length < 2;
    shutter.disabled = false;
    state.textContent = "";
    shutter.focus();
  } catch (error) {
    if (mine !== turn) return;
    deviceId = undefined;
    const { denied, missing, busy } = messages.cameraErrors;
    const name = String(error);
    state.textContent = /NotAllowed|Security/.test(name) ? denied : /NotFound|Over/.test(name) ? missing : busy;
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
  const at = cameras.findIndex((camera) => camera.deviceId === deviceId);
  deviceId = cameras[(at + 1) % cameras.length].deviceId;
  start();
});
find(".close", HTMLButtonElement, dialog).addEventListener("click", () => dialog.close());
dialog.addEventListener("close", stop);
