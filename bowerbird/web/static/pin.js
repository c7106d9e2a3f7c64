// A pin's page: a box on the picture asks for what is like that part, and the wall below follows.
import { Crop, readBox, written } from "./crop.js";
import { say } from "./page.js";
import { rehang } from "./wall.js";

const stage = document.querySelector(".stage");
const wall = document.querySelector(".wall");
const heading = document.getElementById("related");
const whole = document.getElementById("whole");
const here = new URL(location.href);
let timer;
let latest;

async function ask(box) {
  latest?.abort();
  latest = new AbortController();
  const page = new URL(here.pathname, here);
  if (box) page.searchParams.set("box", written(box));
  history.replaceState(history.state, "", page);
  page.searchParams.set("part", "wall");
  wall.setAttribute("aria-busy", "true");
  wall.classList.add("replacing");
  try {
    const answer = await fetch(page, { signal: latest.signal });
    if (!answer.ok) throw new Error(answer.statusText);
    const count = rehang(wall, await answer.text());
    if (box && count && heading.getBoundingClientRect().top > innerHeight) say(`${count} pictures like this part`, "#related", "See them");
    heading.textContent = !count ? "Nothing like this part yet" : box ? "More like this part" : "More like this";
  } catch (error) {
    if (error.name === "AbortError") return; // a newer box is on its way
    heading.textContent = "That did not work. Move the box to try again";
  }
  whole.hidden = !box;
  wall.setAttribute("aria-busy", "false");
  wall.classList.remove("replacing");
}

const crop = new Crop(stage, (box) => {
  clearTimeout(timer);
  timer = setTimeout(ask, box ? 180 : 0, box);
});
whole.addEventListener("click", (event) => {
  event.preventDefault();
  crop.close();
});
const asked = readBox(here.searchParams.get("box"));
if (asked) crop.open(asked, false);

/* Parts of this picture and what it is a part of are found a moment after its first sight. */
async function seekKin(tries) {
  const near = document.querySelector(".near[data-late]");
  if (!near || !tries) return;
  await new Promise((done) => setTimeout(done, 1200));
  const page = new URL(here.pathname, here);
  page.searchParams.set("part", "kin");
  const answer = await fetch(page).catch(() => null);
  if (answer?.ok) {
    const template = document.createElement("template");
    template.innerHTML = await answer.text();
    near.replaceWith(template.content);
  }
  seekKin(tries - 1);
}
seekKin(5);
