// The ways in: picker, drop, paste, camera, samples. All that comes after is loaded once it is needed,
// or once the page is idle. Without JavaScript the form posts by itself and the answer is JSON.

const form = document.querySelector("#upload");
const input = form.querySelector("#image");
const notice = document.querySelector("#notice");

input.multiple = true; // the plain form sends one
input.addEventListener("change", () => {
  look([...input.files]);
  input.value = ""; // so that the same photo can be chosen again
});
form.addEventListener("submit", (event) => event.preventDefault());

document.addEventListener("paste", async ({ clipboardData }) => {
  const files = [...clipboardData.files];
  if (!files.length) return;
  const { text, time } = await import("./words.js");
  look(files.map((file) => new File([file], text.pastedName(time()), { type: file.type })));
});

const carriesFiles = ({ dataTransfer }) => dataTransfer.types.includes("Files");
document.addEventListener("dragover", (event) => {
  event.preventDefault(); // else the browser would leave the page for the file
  document.body.classList.toggle("dragging", carriesFiles(event));
});
document.addEventListener("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) document.body.classList.remove("dragging");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  const files = [...event.dataTransfer.files];
  if (files.length) look(files);
  else complain("nothingDropped");
});

document.querySelector("#open-camera").addEventListener("click", async () => {
  try {
    const { takePhotos } = await import("./camera.js");
    takePhotos((photo) => look([photo]));
  } catch {
    complain("pageError");
  }
});

for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", async () => {
    const credit = button.querySelector("small").textContent;
    try {
      const response = await fetch(button.dataset.sample);
      if (!response.ok) throw new Error(response.statusText);
      const name = button.querySelector("strong").textContent;
      look([new File([await response.blob()], name, { type: "image/jpeg" })], credit);
    } catch {
      complain("sampleMissing");
    }
  });
}

async function look(files, credit = "") {
  notice.textContent = "";
  try {
    const { add } = await import("./visit.js");
    add(files, credit);
  } catch {
    complain("pageError");
  }
}

async function complain(failure) {
  const words = await import("./words.js").catch(() => null);
  notice.textContent = words?.text.failures[failure] ?? form.dataset.failure;
}

import("./words.js").then(({ translate }) => translate(document), () => complain("pageError"));
import("./about.js").catch(() => complain("pageError"));
(globalThis.requestIdleCallback ?? setTimeout)(() => {
  // So that all of it is there when it is needed, with a connection or without; what fails now is told
  // then.
  for (const module of ["./visit.js", "./camera.js"]) import(module).catch(() => {});
});
