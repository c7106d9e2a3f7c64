// On every page: the wall, the theme, saving, messages, and a picture dropped or pasted anywhere.
import { hang } from "./wall.js";
import { keep } from "./carry.js";
import { via } from "./seen.js";

document.querySelectorAll(".wall").forEach(hang);

/* Theme */
export function theme(choice) {
  document.cookie = `theme=${choice}; path=/; max-age=${choice ? 31536000 : 0}; samesite=lax`;
  if (choice) document.documentElement.dataset.theme = choice;
  else delete document.documentElement.dataset.theme;
}
const chosen = () => document.documentElement.dataset.theme ?? "";
const dark = () => (chosen() || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
document.querySelector(".theme")?.addEventListener("click", () => theme(dark() ? "light" : "dark"));
for (const radio of document.querySelectorAll("input[name=theme]")) {
  radio.checked = radio.value === chosen();
  radio.addEventListener("change", () => theme(radio.value));
}

/* Messages */
export function say(text, href, doing) {
  const toast = Object.assign(document.createElement("p"), { className: "toast", textContent: text });
  if (href) toast.append(Object.assign(document.createElement("a"), { href, textContent: doing }));
  document.querySelector(".toasts").replaceChildren(toast);
  setTimeout(() => toast.remove(), 4000);
}

/* Saving: the board picker of /pin/…/save in a dialog */
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-save]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  open(link);
});

async function open(link) {
  const answer = await fetch(`${link.href}?${new URLSearchParams({ part: "dialog", via: via(link) })}`);
  if (!answer.ok || answer.redirected) { location.href = link.href; return; }
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.innerHTML = `<div class="dialog-head"><h2 id="dialog-title">Save to a board</h2>
    <button class="round" type="button" aria-label="Close"><svg class="icon" aria-hidden="true"></svg></button></div><div class="dialog-body"></div>`;
  const cross = document.createElementNS("http://www.w3.org/2000/svg", "use");
  cross.setAttribute("href", new URL("./icons.svg#close", import.meta.url).pathname + "#close");
  dialog.querySelector("svg").append(cross);
  const body = dialog.querySelector(".dialog-body");
  body.innerHTML = await answer.text();
  dialog.querySelector("button").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => { dialog.remove(); link.focus(); });
  dialog.addEventListener("submit", (event) => { event.preventDefault(); saved(event.target, body); });
  document.body.append(dialog);
  dialog.showModal();
}

async function saved(form, body) {
  const action = new URL(form.action);
  action.searchParams.set("part", "dialog");
  const answer = await fetch(action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  const wrong = answer.status === 422; // what is wrong stands in the picker
  if (!answer.ok && !wrong) { say("That did not work. Reload the page and try again."); return; }
  const board = form.elements.board?.value;
  body.innerHTML = await answer.text();
  const marked = board && body.querySelector(`input[name=board][value="${board}"]`);
  (marked?.form ?? body.querySelector("form")).querySelector("button").focus();
  say(wrong ? body.querySelector("[role=alert]")?.textContent ?? "That did not work." : decodeURIComponent(answer.headers.get("x-said") ?? "Saved"));
}

/* Following, in place */
document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form.follow");
  if (!form) return;
  event.preventDefault();
  const button = form.querySelector("button");
  button.setAttribute("aria-busy", "true");
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" }).catch(() => null);
  button.removeAttribute("aria-busy");
  if (answer?.type !== "opaqueredirect") { say("That did not work. Reload the page and try again."); return; }
  const on = !form.elements.off.value;
  form.elements.off.value = on ? "1" : "";
  button.textContent = on ? "Following" : "Follow";
  button.classList.toggle("main", !on);
  const name = button.getAttribute("aria-label").replace(/^(Stop following|Follow) /, "");
  button.setAttribute("aria-label", `${on ? "Stop following" : "Follow"} ${name}`);
  const count = document.querySelector("[data-followers]");
  if (count) count.textContent = Number(count.textContent) + (on ? 1 : -1);
  say(on ? `You follow ${name}` : `You no longer follow ${name}`);
});

/* A picture dropped or pasted anywhere asks for the pictures like it */
const pictured = (data) => [...(data?.files ?? [])].find((file) => file.type.startsWith("image/"));
async function ask(file) {
  await keep(file);
  location.href = "/visual";
}
if (document.body.dataset.drop !== "own" && location.pathname !== "/visual") {
  let veil = null;
  const lower = () => { veil?.remove(); veil = null; };
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    veil ??= raise();
  });
  document.addEventListener("dragleave", (event) => event.relatedTarget || lower());
  document.addEventListener("drop", (event) => {
    lower();
    const file = pictured(event.dataTransfer);
    if (file) { event.preventDefault(); ask(file); }
  });
  document.addEventListener("paste", (event) => {
    const file = pictured(event.clipboardData);
    if (file) ask(file);
  });
}
function raise() {
  const veil = Object.assign(document.createElement("div"), { className: "drop" });
  veil.append(Object.assign(document.createElement("div"), { textContent: "Drop it to find what belongs with it" }));
  document.body.append(veil);
  return veil;
}

/* "/" goes to the search field, unless someone is typing */
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, textarea, select, [role=application]")) return;
  event.preventDefault();
  document.querySelector(".find input[type=search]").focus();
});

/* The picture itself travels between the wall and its page (cross-document view transitions, where there are any) */
const pinOf = (url) => /^\/pin\/\d+$/.exec(new URL(url ?? "about:blank", location).pathname)?.[0];
const pictureOf = (path) => path && document.querySelector(`.card-link[href="${path}"] img`);
function fly(image, transition) {
  if (!image) return;
  document.querySelector(".whole")?.style.setProperty("view-transition-name", "none"); // names are unique
  image.style.viewTransitionName = "hero";
  transition.finished.finally(() => { image.style.viewTransitionName = ""; });
}
addEventListener("pageswap", (event) => {
  if (event.viewTransition) fly(pictureOf(pinOf(event.activation?.entry?.url)), event.viewTransition);
});
addEventListener("pagereveal", (event) => {
  if (!event.viewTransition || document.querySelector(".whole")) return; // from picture to picture it flies once
  fly(pictureOf(pinOf(globalThis.navigation?.activation?.from?.url)), event.viewTransition);
});

/* A pin that is on its way shows itself when it is there */
const awaited = document.querySelector("[data-wait]")?.dataset.wait;
if (awaited) {
  setInterval(async () => {
    const answer = await fetch(`/api/v1/pins/${awaited}/state`).catch(() => null);
    if (answer?.ok && (await answer.json()).state !== "pending") location.reload();
  }, 1500);
}
