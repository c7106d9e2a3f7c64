// Choosing the first pictures: the button tells how many are still wanted.
const form = document.querySelector(".welcome");
const done = form.querySelector("button[value=done]");
const words = done.textContent;
const fewest = Number(form.dataset.fewest);

function count() {
  const left = fewest - form.querySelectorAll("input[name=pin]:checked").length;
  done.textContent = left > 0 ? `Choose ${left} more` : words;
  done.setAttribute("aria-disabled", left > 0);
}
form.addEventListener("change", count);
addEventListener("pageshow", count); // the way back keeps what was checked
done.addEventListener("click", (event) => {
  if (done.getAttribute("aria-disabled") === "true") event.preventDefault();
});
count();
