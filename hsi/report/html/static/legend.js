/* The classes; a click shows one alone, another click all of them. */
class Legend {
  constructor(list, classes, onChange) {
    this.onChange = onChange;
    this.isolated = null;
    this.all = byId("show-all");
    this.buttons = classes.map((entry, i) => this.button(entry, i + 1));
    for (const button of this.buttons) {
      const item = element("li");
      item.append(button);
      list.append(item);
    }
    this.all.addEventListener("click", () => this.isolate(null));
    list.addEventListener("keydown", (event) => event.key === "Escape" && this.isolate(null));
  }

  button(entry, code) {
    const button = element("button", { type: "button", "aria-pressed": "false", title: entry.name });
    const swatch = element("span", { class: "swatch" });
    swatch.style.setProperty("--own", rgb(entry.colour));
    swatch.style.setProperty("--safe", rgb(entry.safe));
    button.append(swatch, element("span", { class: "name" }, entry.name));
    if (entry.pixels !== null) button.append(element("span", { class: "count" }, grouped(entry.pixels)));
    if (entry.pixels === 0) button.classList.add("absent");
    button.addEventListener("click", () => this.isolate(this.isolated === code ? null : code));
    return button;
  }

  isolate(code) {
    this.isolated = code;
    this.buttons.forEach((button, i) => {
      button.setAttribute("aria-pressed", String(i + 1 === code));
      button.classList.toggle("dimmed", code !== null && i + 1 !== code);
    });
    this.all.hidden = code === null;
    this.onChange(code);
  }
}
