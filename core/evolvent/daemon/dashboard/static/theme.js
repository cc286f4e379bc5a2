// Runs before the page is drawn, so that it does not flash in the other colours.
(() => {
  const KEY = "evolvent-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try {
    chosen = localStorage.getItem(KEY);
  } catch {
    // A browser that keeps nothing follows the system.
  }
  const dark = () => (chosen === null ? system.matches : chosen === "dark");
  const apply = () => {
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
    const button = document.getElementById("theme");
    if (button) {
      button.hidden = false;
      button.textContent = dark() ? "Light" : "Dark";
      button.setAttribute("aria-label", dark() ? "Use light colours" : "Use dark colours");
    }
    document.dispatchEvent(new CustomEvent("evolvent:theme"));
  };
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", () => {
    apply();
    document.getElementById("theme").addEventListener("click", () => {
      chosen = dark() ? "light" : "dark";
      try {
        localStorage.setItem(KEY, chosen);
      } catch {
        // It holds for this page.
      }
      apply();
    });
  });
})();
