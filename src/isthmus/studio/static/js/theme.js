// A classic script, run before the first paint: it puts the theme on <html>, so that no page flashes in the
// other one.
(() => {
  const key = "isthmus:theme";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  function chosen() {
    try {
      return localStorage.getItem(key) ?? "auto";
    } catch {
      return "auto";
    }
  }

  function apply() {
    const choice = chosen();
    document.documentElement.dataset.theme = choice === "auto" ? (dark.matches ? "dark" : "light") : choice;
    window.dispatchEvent(new Event("themechange"));
  }

  dark.addEventListener("change", apply);
  window.isthmusTheme = {
    get choice() {
      return chosen();
    },
    choose(choice) {
      try {
        localStorage.setItem(key, choice);
      } catch {
        // Private windows may refuse; the theme then lasts until the page is left.
      }
      apply();
      if (choice !== "auto") document.documentElement.dataset.theme = choice;
    },
  };
  apply();
})();
