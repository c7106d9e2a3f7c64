// The wall: cards stand in columns, each new one under the shortest; the order in the page is the order of reading.
import { placeholder } from "./thumbhash.js";

const AHEAD = 2400; // pixels below the fold at which more is asked for
const hung = new WeakMap(); // wall -> { columns: heights so far, width: of the wall when laid }

/** Lay a wall, keep it laid when its width changes, and let it grow at its end. */
export function hang(wall) {
  soften(wall);
  lay(wall);
  new ResizeObserver(() => hung.get(wall).width !== wall.clientWidth && lay(wall)).observe(wall);
  wall.addEventListener("keydown", (event) => step(wall, event));
  watch(wall);
}

/** Put other cards on the wall (HTML of a wall fragment); how many there are now. */
export function rehang(wall, html) {
  const part = parsed(html);
  wall.nextElementSibling?.matches(".more, .end") && wall.nextElementSibling.remove();
  wall.replaceChildren(...numbered(part.cards, 1));
  if (part.cards.length) wall.setAttribute("role", "feed");
  else wall.removeAttribute("role"); // a feed of nothing is an error
  part.after && wall.after(part.after);
  soften(wall);
  lay(wall);
  watch(wall);
  return part.cards.length;
}

function lay(wall) {
  const width = wall.clientWidth;
  const gap = parseFloat(getComputedStyle(wall).columnGap);
  const wanted = width < 560 ? 160 : Math.min(280, Math.max(236, width / 8));
  const count = Math.max(2, Math.floor((width + gap) / (wanted + gap)));
  hung.set(wall, { columns: new Array(count).fill(0), width, gap, column: (width - gap * (count - 1)) / count });
  wall.classList.add("laid");
  place(wall, [...wall.children]);
}

function place(wall, cards) {
  const { columns, gap, column } = hung.get(wall);
  for (const card of cards) card.style.width = `${column}px`;
  const heights = cards.map((card) => card.offsetHeight); // one reflow for all of them
  cards.forEach((card, i) => {
    // Within a few pixels the leftmost wins, so that rows read from left to right.
    const shortest = columns.findIndex((height) => height <= Math.min(...columns) + 8);
    card.style.translate = `${shortest * (column + gap)}px ${columns[shortest]}px`;
    columns[shortest] += heights[i] + gap;
  });
  wall.style.height = `${Math.max(0, ...columns)}px`;
}

/** Show each picture's placeholder until the picture is there, then fade to it. */
function soften(root) {
  for (const image of root.querySelectorAll("img[data-hash]")) {
    const canvas = !image.complete && placeholder(image.dataset.hash);
    delete image.dataset.hash;
    if (!canvas) continue;
    canvas.setAttribute("aria-hidden", "true");
    image.after(canvas);
    image.classList.add("coming");
    const show = () => image.classList.remove("coming");
    image.addEventListener("load", () => { show(); setTimeout(() => canvas.remove(), 600); }, { once: true });
    image.addEventListener("error", show, { once: true });
  }
}

function watch(wall) {
  const more = wall.nextElementSibling;
  const link = more?.matches(".more") && more.querySelector("a");
  if (!link) return;
  const grow = () => extend(wall, more, link);
  link.addEventListener("click", (event) => { event.preventDefault(); grow(); });
  new IntersectionObserver(([seen], observer) => {
    if (!seen.isIntersecting) return;
    observer.disconnect();
    grow();
  }, { rootMargin: `0px 0px ${AHEAD}px` }).observe(more);
}

async function extend(wall, more, link) {
  if ("busy" in more.dataset) return;
  more.dataset.busy = "";
  wall.setAttribute("aria-busy", "true");
  try {
    const url = new URL(link.href);
    url.searchParams.set("part", "wall");
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(answer.statusText);
    grown(wall, more, parsed(await answer.text()), document.activeElement === link);
  } catch {
    delete more.dataset.busy;
    link.textContent = "That did not work. Try again";
  }
  wall.setAttribute("aria-busy", "false");
}

function grown(wall, more, part, focused) {
  const already = wall.children.length;
  wall.append(...numbered(part.cards, already + 1));
  soften(wall);
  place(wall, part.cards);
  // A new element in the old one's place: what is replaced cannot be seen to jump.
  part.after ? more.replaceWith(part.after) : more.remove();
  if (focused) part.cards[0]?.focus();
  watch(wall);
}

function numbered(cards, first) {
  cards.forEach((card, i) => card.setAttribute("aria-posinset", first + i));
  return cards;
}

function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return { cards: [...template.content.querySelectorAll(".card")], after: template.content.querySelector(".more, .end") };
}

/** Keys of the ARIA feed pattern (https://www.w3.org/WAI/ARIA/apg/patterns/feed/), and Enter for a card in focus. */
function step(wall, event) {
  const card = event.target.closest(".card");
  if (!card) return;
  const to = {
    PageDown: () => card.nextElementSibling,
    PageUp: () => card.previousElementSibling,
    End: () => event.ctrlKey && wall.nextElementSibling?.querySelector("a"),
    Home: () => event.ctrlKey && document.querySelector(".find input"),
  }[event.key]?.();
  if (event.key === "Enter" && event.target === card) card.querySelector("a").click();
  if (!to) return;
  event.preventDefault();
  to.focus();
}
