// The camera: a live preview and a shutter, in a dialog. It is off as soon as the dialog is closed.

import { canvas, encode } from "./canvas.js";
import { text, time } from "./words.js";

const FAILURE_OF = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing" };

const dialog = document.querySelector("#camera");
const video = dialog.querySelector("video");
const state = dialog.querySelector(".state");
const shutter = dialog.querySelector(".shutter");
const other = dialog.querySelector(".other");

let facing = "user";
let taken = () => {};

/** Opens the dialog. @param {(photo: File) => void} onTaken gets the photo that the visitor takes */
export function takePhotos(onTaken) {
  taken = onTaken;
  dialog.showModal();
  start();
}

async function start() {
  stop();
  state.textContent = text.cameraStarting;
  try {
    if (!navigator.mediaDevices) throw new DOMException("", "NotFoundError"); // no HTTPS
    const ideal = { facingMode: facing, width: { ideal: 1600 }, height: { ideal: 1200 } };
    const stream = await navigator.mediaDevices.getUserMedia({ video: ideal });
    if (!dialog.open) return end(stream);
    video.srcObject = stream;
    video.classList.toggle("mirrored", facing === "user");
    await video.play();
    const devices = await navigator.mediaDevices.enumerateDevices();
    other.hidden = devices.filter(({ kind }) => kind === "videoinput").length < 2;
    shutter.disabled = false;
    state.textContent = "";
    shutter.focus();
  } catch (error) {
    if (dialog.open) state.textContent = text.cameraFailures[FAILURE_OF[error.name] ?? "busy"];
  }
}

function stop() {
  end(video.srcObject);
  video.srcObject = null;
  shutter.disabled = true;
}

function end(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

shutter.addEventListener("click", async () => {
  const context = canvas(video.videoWidth, video.videoHeight);
  context.drawImage(video, 0, 0);
  dialog.close();
  const name = text.cameraName(time());
  taken(new File([await encode(context, "image/png")], name, { type: "image/png" }));
});
other.addEventListener("click", () => {
  facing = facing === "user" ? "environment" : "user";
  start();
});
dialog.querySelector(".close").addEventListener("click", () => dialog.close());
dialog.addEventListener("close", stop);
