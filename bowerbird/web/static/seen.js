// What was really seen and opened, told to the log: a card at least half in sight for a second counts once a page.

const TOKEN = document.querySelector("meta[name=csrf]")?.content ?? "";
const LONG = 1000; // ms in sight
const EVERY = 4000; // ms between two batches
const MOST = 100; // events of one batch
const waiting = [];

const fresh = () => Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Where a card hangs: what the log keeps with everything that is done to it. */
export function placed(card) {
  const wall = card.closest(".wall");
  return {
    page: wall?.dataset.page ?? "",
    request: wall?.dataset.request ?? "",
    position: Number(card.dataset.position ?? card.getAttribute("aria-posinset") - 1),
    source: card.dataset.source ?? "",
  };
}

/** The same as one word, for forms and addresses; of a pin's own page, where its visitor found it. */
export function via(element) {
  const card = element.closest(".card");
  const at = card ? placed(card) : found(document.querySelector(".stage[data-pin]")?.dataset.pin);
  return at ? `${at.page}:${at.request}:${at.position}:${at.source}` : "";
}

function found(pin) {
  try {
    return pin && JSON.parse(sessionStorage.getItem(`from:${pin}`));
  } catch {
    return null; // no storage, or somebody else's
  }
}

export function tell(kind, pin, at) {
  if (!TOKEN) return; // what nobody in particular sees teaches nothing of anyone
  waiting.push({ id: fresh(), kind, pin_id: String(pin), at: Date.now() / 1000, ...at });
  if (waiting.length >= MOST) flush();
}

function flush() {
  while (waiting.length) {
    const events = waiting.splice(0, MOST);
    navigator.sendBeacon("/api/v1/events", new Blob([JSON.stringify({ csrf: TOKEN, events })], { type: "application/json" }));
  }
}
setInterval(flush, EVERY);
addEventListener("pagehide", flush);
document.addEventListener("visibilitychange", () => document.hidden && flush());

const told = new Set();
const timers = new Map();
const later = new Set(); // cards in sight of a page that is hidden itself
const sight = new IntersectionObserver((entries) => {
  for (const { target, intersectionRatio } of entries) {
    if (intersectionRatio < 0.5) stop(target);
    else if (document.hidden) later.add(target);
    else if (!timers.has(target)) timers.set(target, setTimeout(seen, LONG, target));
  }
}, { threshold: 0.5 });

function stop(card) {
  clearTimeout(timers.get(card));
  timers.delete(card);
}

/* Behind another tab nobody looks; whoever comes back looks anew, for the observer says nothing where nothing moved. */
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    for (const card of timers.keys()) {
      stop(card);
      later.add(card);
    }
    return;
  }
  for (const card of later) {
    sight.unobserve(card);
    sight.observe(card);
  }
  later.clear();
});

function seen(card) {
  timers.delete(card);
  if (document.hidden) {
    later.add(card);
    return;
  }
  sight.unobserve(card);
  const pin = card.dataset.pin;
  if (!card.isConnected || told.has(pin)) return;
  told.add(pin);
  tell("impression", pin, placed(card));
}

const watch = (nodes) => nodes.forEach((node) => node.matches?.(".card[data-pin]") && sight.observe(node));
for (const wall of document.querySelectorAll(".wall")) {
  watch([...wall.children]);
  new MutationObserver((changes) => changes.forEach((change) => watch([...change.addedNodes]))).observe(wall, { childList: true });
}

/* From a card to its page: the page knows what proposed it, without a word of it in its address. */
document.addEventListener("click", (event) => {
  const card = event.target.closest(".card-link")?.closest(".card[data-pin]");
  if (card) remember(card.dataset.pin, placed(card));
  const stage = event.target.closest("a.source") && document.querySelector(".stage[data-pin]");
  if (stage) tell("click", stage.dataset.pin, found(stage.dataset.pin) ?? { page: "pin" });
}, { capture: true });

function remember(pin, at) {
  try {
    sessionStorage.setItem(`from:${pin}`, JSON.stringify(at));
  } catch { /* no storage: the visit counts, without its source */ }
}

const opened = document.querySelector(".stage[data-pin]")?.dataset.pin;
if (opened && performance.getEntriesByType("navigation")[0]?.type === "navigate") {
  tell("closeup", opened, found(opened) ?? { page: "pin" });
}
