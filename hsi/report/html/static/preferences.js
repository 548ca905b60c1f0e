/* Light or dark and the palette, stored where the browser lets a file store something. */
function remembered(key) {
  try {
    return localStorage.getItem(`hsi-report-${key}`);
  } catch {
    return null;
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(`hsi-report-${key}`, value);
  } catch {
    /* a file may have no storage, and the choice then lasts as long as the page */
  }
}

function addThemeToggle(onChange) {
  const [button, system] = [byId("theme"), matchMedia("(prefers-color-scheme: dark)")];
  let chosen = remembered("theme");
  const show = () => {
    const dark = chosen ? chosen === "dark" : system.matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    button.setAttribute("aria-pressed", String(dark));
    onChange();
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    remember("theme", chosen);
    show();
  });
  system.addEventListener("change", show);
  show();
}

function addPaletteToggle(onChange) {
  const button = byId("palette");
  const show = (palette) => {
    document.documentElement.dataset.palette = palette;
    button.setAttribute("aria-pressed", String(palette === "safe"));
    onChange(palette);
  };
  button.addEventListener("click", () => {
    const palette = document.documentElement.dataset.palette === "safe" ? "own" : "safe";
    remember("palette", palette);
    show(palette);
  });
  show(remembered("palette") === "safe" ? "safe" : "own");
}
