// Cut a part out of a picture: by mouse, touch or keys.

const LEAST = 0.06; // of the picture's side
const CORNERS = { nw: "Top left", ne: "Top right", sw: "Bottom left", se: "Bottom right" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const within = (value, low, high) => Math.min(Math.max(value, low), high);
const percent = (value) => `${Math.round(value * 100)} %`;

/** `changed(box)` is told of each new box {x, y, w, h} in fractions, and of null when the whole picture is wanted. */
export class Crop {
  constructor(stage, changed) {
    this.stage = stage;
    this.changed = changed;
    this.lens = stage.querySelector(".lens");
    this.help = document.getElementById("crop-help");
    this.lens.addEventListener("click", (event) => { event.preventDefault(); this.open({ x: 0.2, y: 0.2, w: 0.6, h: 0.6 }); this.box.focus(); });
    stage.addEventListener("pointerdown", (event) => this.press(event));
    stage.addEventListener("keydown", (event) => this.key(event));
    stage.addEventListener("dragstart", (event) => event.preventDefault());
  }

  open(area, tell = true) {
    if (!this.veil) this.build();
    this.stage.classList.add("cutting");
    this.help.textContent = matchMedia("(hover: none)").matches
      ? "Drag the box or its corners."
      : "Drag to cut out a part. Keys: arrows move the box, corners resize it, Enter goes to the results, Esc closes.";
    this.set(area, tell);
  }

  close() {
    if (!this.veil) return;
    this.veil.remove();
    this.shut.remove();
    this.veil = null;
    this.area = null;
    this.stage.classList.remove("cutting");
    this.help.textContent = "";
    this.lens.focus();
    this.changed(null);
  }

  build() {
    this.veil = Object.assign(document.createElement("div"), { className: "veil" });
    this.box = Object.assign(document.createElement("div"), { className: "box", tabIndex: 0 });
    this.box.setAttribute("role", "application");
    this.box.setAttribute("aria-roledescription", "crop box");
    this.box.setAttribute("aria-describedby", "crop-help");
    for (const [corner, name] of Object.entries(CORNERS)) {
      const handle = Object.assign(document.createElement("button"), { type: "button", className: `handle ${corner}` });
      handle.setAttribute("aria-label", `${name} corner, arrow keys move it`);
      this.box.append(handle);
    }
    this.veil.append(this.box);
    this.shut = Object.assign(document.createElement("button"), { type: "button", className: "shut", textContent: "×" });
    this.shut.setAttribute("aria-label", "Back to the whole picture");
    this.shut.addEventListener("click", () => this.close());
    this.stage.append(this.veil, this.shut);
  }

  set(area, tell = true) {
    this.area = area;
    const { x, y, w, h } = area;
    const sides = { left: x, top: y, width: w, height: h };
    for (const [side, value] of Object.entries(sides)) this.box.style[side] = `${value * 100}%`;
    const words = `${percent(w)} wide and ${percent(h)} high, ${percent(x)} from the left, ${percent(y)} from the top`;
    this.box.setAttribute("aria-label", `Part of the picture to search by: ${words}`);
    if (tell) this.changed(area);
  }

  /** Where an event is on the picture, in fractions. */
  at(event) {
    const frame = this.stage.getBoundingClientRect();
    return [within((event.clientX - frame.left) / frame.width, 0, 1), within((event.clientY - frame.top) / frame.height, 0, 1)];
  }

  press(event) {
    if (event.button || event.target.closest(".lens, .shut")) return;
    // A finger scrolls the page until cutting is asked for; a mouse may draw a box at once.
    if (!this.area && event.pointerType !== "mouse") return;
    const start = this.at(event);
    const before = this.area;
    const corner = Object.keys(CORNERS).find((name) => event.target.classList.contains(name));
    const change = corner ? (to) => this.corner(before, corner, to)
      : event.target === this.box ? (to) => this.moved(before, to[0] - start[0], to[1] - start[1])
        : (to) => spanned(start, to);
    event.preventDefault();
    (corner ? event.target : this.box)?.focus({ preventScroll: true });
    this.drag(event, start, change);
  }

  drag(event, start, change) {
    const { stage } = this;
    const frame = stage.getBoundingClientRect();
    stage.setPointerCapture(event.pointerId);
    const move = (next) => {
      const to = this.at(next);
      const far = Math.hypot((to[0] - start[0]) * frame.width, (to[1] - start[1]) * frame.height);
      if (!this.area && far < 8) return;
      if (this.area) this.set(change(to));
      else { this.open(change(to)); this.box.focus({ preventScroll: true }); }
    };
    stage.addEventListener("pointermove", move);
    const end = () => stage.removeEventListener("pointermove", move);
    stage.addEventListener("pointerup", end, { once: true });
    stage.addEventListener("pointercancel", end, { once: true });
  }

  key(event) {
    if (!this.area) return;
    if (event.key === "Escape") { event.preventDefault(); this.close(); return; }
    if (event.key === "Enter" && event.target === this.box) { document.querySelector(".wall .card")?.focus(); return; }
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    const by = event.shiftKey ? 0.1 : 0.02;
    const [dx, dy] = way.map((one) => one * by);
    const corner = Object.keys(CORNERS).find((name) => event.target.classList.contains(name));
    if (!corner) { this.set(this.moved(this.area, dx, dy)); return; }
    const { x, y, w, h } = this.area;
    this.set(this.corner(this.area, corner, [x + (corner[1] === "e" ? w : 0) + dx, y + (corner[0] === "s" ? h : 0) + dy]));
  }

  moved({ x, y, w, h }, dx, dy) {
    return { x: within(x + dx, 0, 1 - w), y: within(y + dy, 0, 1 - h), w, h };
  }

  /** The area with one corner at a new place; the opposite corner stays. */
  corner({ x, y, w, h }, name, [px, py]) {
    const [north, west] = [name[0] === "n", name[1] === "w"];
    const left = west ? within(px, 0, x + w - LEAST) : x;
    const top = north ? within(py, 0, y + h - LEAST) : y;
    const right = west ? x + w : within(px, x + LEAST, 1);
    const bottom = north ? y + h : within(py, y + LEAST, 1);
    return { x: left, y: top, w: right - left, h: bottom - top };
  }
}

function spanned([ax, ay], [bx, by]) {
  const w = Math.max(LEAST, Math.abs(ax - bx));
  const h = Math.max(LEAST, Math.abs(ay - by));
  return { x: within(Math.min(ax, bx), 0, 1 - w), y: within(Math.min(ay, by), 0, 1 - h), w, h };
}

/** A box as it stands in an address: four fractions. */
export const written = ({ x, y, w, h }) => [x, y, w, h].map((value) => value.toFixed(4)).join(",");

/** The box of an address; null where there is none. */
export function readBox(text) {
  const [x, y, w, h] = (text ?? "").split(",").map(Number);
  return w > 0 && h > 0 && x >= 0 && y >= 0 ? { x, y, w, h } : null;
}
