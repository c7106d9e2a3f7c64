// Many pictures at once: each has its row, its progress, its state as the workers report it, and its doubles.

const AT_ONCE = 3;
const API = "/api/v1";
const KINDS = { crop: "cropped", resize: "other size", recompress: "saved anew", flip: "mirrored" };
const rows = document.getElementById("uploads");
const form = document.getElementById("upload");
const byUrl = document.getElementById("by-url");
const headers = { "X-CSRF-Token": form.elements.csrf.value, Accept: "application/json" };
const zone = document.querySelector(".dropzone");
const waiting = [];
const watched = new Map(); // "pin:7" or "fetch:3" -> row
let running = 0;

/* One row of the list */
class Row {
  constructor(name) {
    this.node = document.getElementById("upload-row").content.firstElementChild.cloneNode(true);
    for (const part of ["thumb", "name", "progress", "status", "kin"]) {
      this[part] = this.node.querySelector(part === "progress" ? part : `.${part}`);
    }
    this.name.textContent = name;
    this.progress.setAttribute("aria-label", `Progress of ${name}`);
    rows.prepend(this.node);
    zone.classList.add("small");
  }

  picture(node) {
    this.thumb.replaceChildren(node);
  }

  tell(text, state = "") {
    this.status.textContent = text;
    this.node.className = `upload ${state}`;
    this.progress.hidden = state === "ready" || state === "failed";
  }

  link(id, text) {
    this.thumb.href = `/pin/${id}`;
    this.status.append(" ", Object.assign(document.createElement("a"), { href: `/pin/${id}`, textContent: text }));
  }

  doubles(found) {
    if (!found.length) return;
    this.kin.replaceChildren(Object.assign(document.createElement("p"), { className: "small quiet", textContent: "Nearly the same is here already:" }));
    found.slice(0, 6).forEach((one) => this.double(one));
  }

  double({ kind, pin }) {
    const link = Object.assign(document.createElement("a"), { href: pin.href });
    link.append(Object.assign(new Image(84, 84), { src: pin.src, alt: pin.alt }), KINDS[kind] ?? kind);
    this.kin.append(link);
  }
}

/* Sending */
function add(files, board = form.elements.board.value) {
  for (const file of files) {
    const row = new Row(file.name || "Pasted picture");
    row.tell("Waiting");
    preview(row, file);
    waiting.push({ row, file, board });
  }
  while (running < AT_ONCE && waiting.length) next();
}

async function preview(row, file) {
  const bitmap = await createImageBitmap(file, { resizeWidth: 184, resizeQuality: "medium" }).catch(() => null);
  if (!bitmap) return;
  const canvas = Object.assign(document.createElement("canvas"), { width: 92, height: 92 });
  const side = Math.min(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, (bitmap.width - side) / 2, (bitmap.height - side) / 2, side, side, 0, 0, 92, 92);
  bitmap.close();
  if (!row.thumb.querySelector("img")) row.picture(canvas);
}

function next() {
  const { row, file, board } = waiting.shift();
  running++;
  const body = new FormData();
  body.set("picture", file, file.name || "pasted");
  body.set("board_id", board);
  const request = new XMLHttpRequest(); // fetch tells nothing of the progress of an upload
  request.open("POST", `${API}/pins`);
  for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => {
    row.progress.value = loaded / total;
    row.tell(`Sending, ${Math.round((100 * loaded) / total)} %`);
  });
  request.addEventListener("loadend", () => {
    running--;
    sent(row, request);
    if (waiting.length) next();
  });
  row.tell("Sending");
  request.send(body);
}

function sent(row, request) {
  let answer = {};
  try { answer = JSON.parse(request.responseText); } catch { /* a proxy's page, or nothing at all */ }
  if (request.status !== 202) {
    row.tell(answer.error?.message ?? (request.status === 413 ? "The file is too large." : "It did not get through. Try again."), "failed");
    return;
  }
  if (!answer.created) row.again = true;
  follow(row, "pin", answer);
}

async function fetchUrl(url) {
  const row = new Row(url);
  row.tell("Asking for it");
  try {
    const body = JSON.stringify({ url, board_id: form.elements.board.value || null });
    const answer = await fetch(`${API}/pins/from-url`, { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body });
    const told = await answer.json();
    if (answer.ok) follow(row, "fetch", told);
    else row.tell(told.error?.message ?? "That did not work.", "failed");
  } catch {
    row.tell("It did not get through. Try again.", "failed");
  }
}

/* Following what the workers do */
function follow(row, kind, news) {
  watched.set(`${kind}:${news.id}`, row);
  heard(kind, news);
  if (watched.size) listen();
}

function heard(kind, news) {
  const row = watched.get(`${kind}:${news.id}`);
  if (!row) return;
  if (news.state === "pending") {
    row.progress.removeAttribute("value");
    row.tell(kind === "fetch" ? "Fetching" : "Being looked at");
    return;
  }
  watched.delete(`${kind}:${news.id}`);
  if (news.state === "failed") row.tell(news.error + (news.step ? ` (${news.step})` : ""), "failed");
  else if (kind === "fetch") follow(row, "pin", { id: news.pin_id, state: "pending" });
  else ready(row, news);
}

async function ready(row, news) {
  row.tell(row.again ? "You have this picture already." : "Ready.", "ready");
  row.link(news.id, row.again ? "See it" : "See what belongs with it");
  if (news.card) row.picture(Object.assign(new Image(92, 92), { src: news.card.src, alt: "" }));
  for (let tries = 0; tries < 6; tries++) {
    const answer = await fetch(`${API}/pins/${news.id}/duplicates`, { headers }).catch(() => null);
    if (answer?.ok) row.doubles(await answer.json());
    const wait = answer?.headers.get("Retry-After"); // crops are still looked for
    if (!answer?.ok || !wait) return;
    await new Promise((done) => setTimeout(done, 1000 * wait * (1 + tries)));
  }
}

/* Live by server-sent events; where they do not come through, by asking */
let stream = null;
let asking = null;
function listen() {
  if (!asking) asking = setInterval(ask, 2500);
  if (stream && stream.readyState !== EventSource.CLOSED) return;
  stream = new EventSource(`${API}/uploads/stream`);
  for (const kind of ["pin", "fetch"]) stream.addEventListener(kind, (event) => heard(kind, JSON.parse(event.data)));
}

async function ask() {
  if (!watched.size) {
    clearInterval(asking);
    asking = null;
    stream?.close();
    stream = null;
    return;
  }
  for (const key of [...watched.keys()].slice(0, 20)) {
    const [kind, id] = key.split(":");
    const answer = await fetch(kind === "pin" ? `${API}/pins/${id}/state` : `${API}/fetches/${id}`, { headers }).catch(() => null);
    if (answer?.ok) heard(kind, await answer.json());
  }
}

/* Ways in */
const input = form.elements.picture;
input.addEventListener("change", () => { add([...input.files]); input.value = ""; });
form.addEventListener("submit", (event) => event.preventDefault());
byUrl.addEventListener("submit", (event) => {
  event.preventDefault();
  fetchUrl(byUrl.elements.url.value);
  byUrl.reset();
});
document.addEventListener("dragover", (event) => { event.preventDefault(); zone.classList.add("over"); });
document.addEventListener("dragleave", (event) => event.relatedTarget || zone.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  zone.classList.remove("over");
  add([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) add([...event.clipboardData.files]);
});
addEventListener("beforeunload", (event) => (running || waiting.length) && event.preventDefault());
