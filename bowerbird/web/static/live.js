// The live picture: asks for itself again every two seconds while someone looks.
const live = document.getElementById("live");
const beat = document.getElementById("beat");
const EVERY = 2000;
let at = Date.now();

async function look() {
  if (document.hidden) return;
  const answer = await fetch("/admin/live?part=live").catch(() => null);
  if (answer?.ok && !answer.redirected) {
    const focused = live.contains(document.activeElement) && document.activeElement.getAttribute("href");
    live.innerHTML = await answer.text();
    if (focused) live.querySelector(`a[href="${focused}"]`)?.focus({ preventScroll: true });
    at = Date.now();
    beat.classList.remove("tick");
    void beat.offsetWidth; // so that the animation begins again
    beat.classList.add("tick");
  }
  const age = Math.round((Date.now() - at) / 1000);
  beat.classList.toggle("lost", age > 10);
  beat.textContent = age > 10 ? `No answer for ${age} s` : "Live";
}
beat.textContent = "Live";
setInterval(look, EVERY);
document.addEventListener("visibilitychange", look);
