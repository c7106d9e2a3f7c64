// Search with a picture that is not kept: it is cut in the browser, so that only the asked part travels.
import { forget, keep, kept } from "./carry.js";
import { Crop } from "./crop.js";
import { hang, rehang } from "./wall.js";

const SENT = 1200; // pixels of the longer side that are sent; the encoder sees fewer
const stage = document.querySelector(".stage");
const wall = document.querySelector(".wall");
const failed = document.getElementById("failed");
const csrf = document.querySelector("input[name=csrf]")?.value;
const narrowed = document.getElementById("narrowed");
const also = { q: "", colour: "" }; // words and a colour that go with the picture
let bitmap = null;
let file = null;
let timer;
let latest;
let cut = null;

const crop = new Crop(stage, (box) => {
  cut = box;
  clearTimeout(timer);
  timer = setTimeout(search, box ? 200 : 0, box);
});

async function show(chosen) {
  file = chosen;
  bitmap = await createImageBitmap(file).catch(() => null); // HEIC and TIFF: the server can read what a browser cannot
  stage.querySelector(".whole")?.remove();
  const canvas = Object.assign(document.createElement("canvas"), { className: "whole" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", file.name ? `Your picture, ${file.name}` : "Your picture");
  if (bitmap) paint(canvas, bitmap, { x: 0, y: 0, w: 1, h: 1 }, 1600);
  stage.hidden = !bitmap;
  stage.prepend(canvas);
  document.getElementById("asked").hidden = false;
  document.getElementById("ask")?.remove();
  search(null);
}

function paint(canvas, source, { x, y, w, h }, most) {
  const [width, height] = [w * source.width, h * source.height];
  const scale = Math.min(1, most / Math.max(width, height));
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d").drawImage(source, x * source.width, y * source.height, width, height, 0, 0, canvas.width, canvas.height);
}

function part(box) {
  if (!bitmap) return Promise.resolve(file);
  const canvas = document.createElement("canvas");
  paint(canvas, bitmap, box ?? { x: 0, y: 0, w: 1, h: 1 }, SENT);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
}

async function search(box) {
  latest?.abort();
  latest = new AbortController();
  wall.setAttribute("aria-busy", "true");
  wall.classList.add("replacing");
  const form = new FormData();
  if (csrf) form.set("csrf", csrf);
  for (const [name, value] of Object.entries(also)) form.set(name, value);
  form.set("picture", await part(box), "picture");
  try {
    const answer = await fetch("/visual?part=wall", { method: "POST", body: form, signal: latest.signal });
    const text = await answer.text();
    failed.hidden = answer.ok;
    if (!answer.ok) failed.textContent = new DOMParser().parseFromString(text, "text/html").querySelector(".empty p")?.textContent ?? "That did not work.";
    else if (!rehang(wall, text)) { failed.hidden = false; failed.textContent = "Nothing like it here yet."; }
  } catch (error) {
    if (error.name === "AbortError") return;
    failed.hidden = false;
    failed.textContent = "The search did not get through. Check the connection and try again.";
  }
  wall.setAttribute("aria-busy", "false");
  wall.classList.remove("replacing");
}

/* Words and colours narrow down what the picture finds, instead of leaving it */
function narrow(change) {
  Object.assign(also, change);
  narrowed.replaceChildren(...Object.entries(also).filter(([, value]) => value).map(([name, value]) => {
    const chip = Object.assign(document.createElement("button"), { type: "button", className: "chip on", textContent: name === "q" ? `${value} ×` : `#${value} ×` });
    chip.setAttribute("aria-label", `Without ${value}`);
    chip.addEventListener("click", () => narrow({ [name]: "" }));
    return chip;
  }));
  search(cut);
}
const asking = (event, change) => {
  if (!file) return;
  event.preventDefault();
  document.getElementById("colours").hidePopover();
  narrow(change);
};
const find = document.querySelector(".find");
const own = document.querySelector(".own-colour");
find.addEventListener("submit", (event) => asking(event, { q: find.elements.q.value.trim() }));
own.addEventListener("submit", (event) => asking(event, { colour: own.elements.colour.value.slice(1) }));
for (const link of document.querySelectorAll("#colours .treasure")) {
  link.addEventListener("click", (event) => asking(event, { colour: new URL(link.href).searchParams.get("colour") }));
}

async function take(files) {
  const picture = [...files].find((one) => one.type.startsWith("image/") || /\.(heic|heif|avif|tiff?|bmp)$/i.test(one.name));
  if (!picture) return;
  crop.close();
  await keep(picture).catch(() => undefined);
  show(picture);
}

if (!wall.classList.contains("laid")) hang(wall);
for (const input of document.querySelectorAll("input[type=file]")) input.addEventListener("change", () => take(input.files));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => { event.preventDefault(); take(event.dataTransfer.files); });
document.addEventListener("paste", (event) => event.clipboardData?.files.length && take(event.clipboardData.files));
const carried = await kept();
if (carried) { await forget(); show(carried); }
