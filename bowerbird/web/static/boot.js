// Runs before the first paint: the theme that was chosen, and the sign that scripts run.
{
  const root = document.documentElement;
  const theme = /(?:^|; )theme=(light|dark)/.exec(document.cookie)?.[1];
  if (theme) root.dataset.theme = theme;
  root.classList.add("js");
  // Without the modules within four seconds the wall falls back to plain columns.
  setTimeout(() => document.querySelector(".wall:not(.laid)") && root.classList.remove("js"), 4000);
}
