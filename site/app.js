// Sends the chosen photo to the API and draws the answer over it. Without JavaScript the form posts by
// itself and the browser shows the JSON.

const form = document.querySelector("#upload");
const input = form.querySelector("input");
const button = form.querySelector("button");
const status = document.querySelector("#status");
const result = document.querySelector("#result");
const photo = document.querySelector("#photo");
const boxes = document.querySelector("#boxes");
const answers = document.querySelector("#answers");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  look();
});
input.addEventListener("change", () => input.files.length && look());

async function look() {
  const file = input.files[0];
  result.hidden = true;
  say("Looking…");
  button.disabled = true;
  try {
    const prediction = await predict();
    await show(file);
    draw(prediction);
    say(summary(prediction));
  } catch (error) {
    say(error.message, true);
  } finally {
    button.disabled = false;
  }
}

async function predict() {
  const body = new FormData(form);
  let response;
  try {
    response = await fetch(form.action, { method: "POST", body });
  } catch {
    throw new Error("The service could not be reached. Check your connection and try again.");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok || !answer) {
    throw new Error(answer?.detail ?? "The service failed. Try again in a moment.");
  }
  return answer;
}

async function show(file) {
  URL.revokeObjectURL(photo.src);
  photo.src = URL.createObjectURL(file);
  try {
    await photo.decode();
  } catch {
    throw new Error("Your browser cannot show this kind of photo.");
  }
}

function draw({ image, faces }) {
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  boxes.replaceChildren(...faces.map((face, index) => {
    const box = document.createElement("div");
    box.style.left = percent(face.box.x, image.width);
    box.style.top = percent(face.box.y, image.height);
    box.style.width = percent(face.box.width, image.width);
    box.style.height = percent(face.box.height, image.height);
    const number = document.createElement("span");
    number.textContent = faces.length > 1 ? index + 1 : Math.round(face.age.years);
    box.append(number);
    return box;
  }));
  answers.replaceChildren(...faces.map((face) => {
    const item = document.createElement("li");
    const { years, low, high } = face.age;
    const age = document.createElement("strong");
    age.textContent = `looks about ${Math.round(years)}`;
    item.append(age, ` (${low} to ${high}), ${gender(face.gender)}`);
    return item;
  }));
  result.hidden = false;
}

function gender({ label, probability }) {
  if (label === "uncertain") return "gender not clear";
  return `perceived as ${label} (${Math.round(100 * probability)} % sure)`;
}

function summary({ faces, faces_found: found }) {
  if (found === 0) return "No face was found. Try a photo with a face that looks towards the camera.";
  if (found > faces.length) return `${found} faces; the largest ${faces.length} are answered.`;
  return found === 1 ? "One face." : `${found} faces.`;
}

function say(text, problem = false) {
  status.textContent = text;
  status.classList.toggle("problem", problem);
}
