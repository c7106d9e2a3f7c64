// "Why am I seeing this?" and hiding, in a menu by the card; without scripts /pin/…/why does the same.
import { via } from "./seen.js";
import { say } from "./page.js";

const menu = document.getElementById("why");
const told = menu.querySelector(".why-told");
const token = document.querySelector("meta[name=csrf]").content;
let opener = null;

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.card-why");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  opener === link && menu.matches(":popover-open") ? menu.hidePopover() : open(link);
});
menu.addEventListener("toggle", (event) => {
  if (event.newState === "open") return;
  opener?.setAttribute("aria-expanded", "false");
  if (menu.contains(document.activeElement) || document.activeElement === document.body) opener?.focus();
  opener = null;
});

function open(link) {
  if (menu.matches(":popover-open")) menu.hidePopover();
  opener = link;
  told.textContent = link.closest(".card").dataset.why;
  menu.showPopover();
  link.setAttribute("aria-expanded", "true");
  const at = link.getBoundingClientRect();
  const below = at.bottom + menu.offsetHeight + 12 < innerHeight;
  menu.style.left = `${Math.max(10, Math.min(at.right - menu.offsetWidth, innerWidth - menu.offsetWidth - 10))}px`;
  menu.style.top = `${below ? at.bottom + 6 : Math.max(10, at.top - menu.offsetHeight - 6)}px`;
  menu.querySelector("button").focus({ preventScroll: true });
}
addEventListener("scroll", () => menu.matches(":popover-open") && menu.hidePopover(), { passive: true });

menu.addEventListener("keydown", (event) => {
  const buttons = [...menu.querySelectorAll("button")];
  const at = buttons.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1 + buttons.length, Home: 0, End: buttons.length - 1 }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  buttons[to % buttons.length].focus();
});
menu.addEventListener("click", (event) => {
  const reason = event.target.closest("button")?.value;
  if (!reason || !opener) return;
  const card = opener.closest(".card");
  const where = via(card);
  menu.hidePopover();
  hide(card, reason, where);
});

const ask = (method, card, body) => fetch(`/api/v1/pins/${card.dataset.pin}/hide`, {
  method,
  headers: { "X-CSRF-Token": token, ...(body && { "Content-Type": "application/json" }) },
  body: body && JSON.stringify(body),
}).then((answer) => answer.ok, () => false);

/** The picture goes at once; its place stays, with the way back. */
async function hide(card, reason, where) {
  const before = [...card.childNodes];
  const tile = document.createElement("div");
  tile.className = "hidden-tile";
  tile.style.height = `${card.offsetHeight}px`;
  const words = Object.assign(document.createElement("p"), { textContent: "Hidden. You will see less like it." });
  const undo = Object.assign(document.createElement("button"), { className: "button", type: "button", textContent: "Undo" });
  tile.append(words, undo);
  card.replaceChildren(tile);
  undo.focus({ preventScroll: true });
  const back = () => card.replaceChildren(...before);
  undo.addEventListener("click", async () => {
    if (await ask("DELETE", card)) { back(); card.querySelector(".card-why").focus({ preventScroll: true }); }
    else say("That did not work. Try again in a moment.");
  });
  if (!(await ask("POST", card, { reason, via: where }))) { back(); say("That did not work. Try again in a moment."); }
}
