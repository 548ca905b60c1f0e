/* The spectrum of a pixel with the mean and the spread of the class that the map gives it. */
const HOLE = 3; // a step between wavelengths this many times the usual one is a hole, as in the figures
const PLOT = { height: 300, left: 62, right: 14, top: 12, bottom: 40 };

class SpectrumPlot {
  constructor(data, arrays) {
    Object.assign(this, { data, arrays, spectra: data.spectra });
    this.xs = this.spectra.wavelengths ?? this.spectra.numbers;
    this.text = byId("spectrum-text");
    this.chart = byId("spectrum-chart");
    this.values = byId("spectrum-values");
  }

  async load() {
    this.loading ??= (async () => {
      this.levels = await unpack(this.spectra.values);
      const { classes } = this.spectra;
      if (classes) [this.mean, this.deviation] = await Promise.all([unpack(classes.mean), unpack(classes.deviation)]);
    })();
    return this.loading;
  }

  /* The nearest pixel whose spectrum is sampled, as row and column of the sampled ones. */
  nearest({ row, column }) {
    const { step, rows, columns } = this.spectra;
    const near = (place, count) => Math.min(Math.round((place * this.data.step) / step), count - 1);
    return { row: near(row, rows), column: near(column, columns) };
  }

  /* Values of a sampled spectrum. */
  spectrum({ row, column }) {
    const { bands, columns, offset, scale } = this.spectra;
    const start = (row * columns + column) * bands;
    return Array.from({ length: bands }, (_, band) => offset[band] + scale[band] * this.levels[start + band]);
  }

  async show(pixel) {
    await this.load();
    const { step, columns: count } = { step: this.spectra.step / this.data.step, columns: this.data.columns };
    const near = this.nearest(pixel);
    const code = this.arrays.map[near.row * step * count + near.column * step];
    this.text.textContent = this.inWords(pixel, near, code);
    if (!code) {
      this.chart.replaceChildren();
      this.values.textContent = "";
      return;
    }
    const lines = { pixel: this.spectrum(near) };
    const known = this.mean && this.spectra.classes.pixels[code - 1] > 0;
    if (known) {
      const part = (array) => Array.from(array.subarray((code - 1) * this.spectra.bands, code * this.spectra.bands));
      lines.mean = part(this.mean);
      lines.deviation = part(this.deviation);
    }
    this.draw(lines, this.data.classes[code - 1].name);
  }

  inWords(pixel, near, code) {
    const full = { row: near.row * this.spectra.step, column: near.column * this.spectra.step };
    const same = full.row === pixel.row * this.data.step && full.column === pixel.column * this.data.step;
    const distance = same ? "" : `, the nearest sampled one to row ${pixel.row * this.data.step}, column ${pixel.column * this.data.step}`;
    const where = `Row ${full.row}, column ${full.column}${distance}`;
    if (!code) return `${where}: no data.`;
    const name = this.data.classes[code - 1].name;
    const { classes } = this.spectra;
    const pixels = classes?.pixels[code - 1] ?? 0;
    if (!classes) return `${where}: mapped as ${name}.`;
    if (!pixels) return `${where}: mapped as ${name}, of which there is no spectrum among ${classes.of}.`;
    return `${where}: mapped as ${name}, whose mean ± standard deviation is over ${grouped(pixels)} of ${classes.of}.`;
  }

  draw(lines, name) {
    const low = lines.mean ? lines.mean.map((value, i) => value - lines.deviation[i]) : lines.pixel;
    const high = lines.mean ? lines.mean.map((value, i) => value + lines.deviation[i]) : lines.pixel;
    const limits = [Math.min(...low, ...lines.pixel), Math.max(...high, ...lines.pixel)];
    const wide = this.text.clientWidth ? this.text.parentElement.clientWidth - 36 : 1000; // as the letters of the page
    const plot = new PlotFrame(this.xs, limits, this.spectra, Math.max(wide, 280));
    if (lines.mean) plot.band(low, high).line(lines.mean, "second");
    plot.line(lines.pixel, "first");
    plot.svg.setAttribute("aria-label", `Spectrum. ${this.text.textContent}`);
    const key = element("p", { class: "key" });
    key.append(element("span", { class: "first" }, "this pixel"));
    if (lines.mean) key.append(element("span", { class: "second" }, `${name}: mean ± standard deviation`));
    this.chart.replaceChildren(plot.svg, key);
    plot.follow((band) => { this.values.textContent = this.atBand(lines, band); });
    this.values.textContent = "Point at the chart to read its values.";
  }

  atBand(lines, band) {
    const unit = this.spectra.wavelengths ? `${grouped(this.xs[band], 1)} nm` : `band ${this.xs[band]}`;
    const digits = this.spectra.exact ? 0 : 4;
    const parts = [`${unit}: this pixel ${grouped(lines.pixel[band], digits)}`];
    const more = this.spectra.exact ? 1 : 4;
    if (lines.mean) parts.push(`mean ${grouped(lines.mean[band], more)} ± ${grouped(lines.deviation[band], more)}`);
    return parts.join(", ");
  }
}

/* Axes of the plot. Lines break where bands were left out, here or before the file was written. */
class PlotFrame {
  constructor(xs, [low, high], { numbers, wavelengths, unit }, width) {
    Object.assign(this, { xs, numbers, wavelengths, width, low, high: high > low ? high : low + 1 });
    this.first = Math.min(...xs);
    this.last = Math.max(...xs) > this.first ? Math.max(...xs) : this.first + 1;
    this.svg = this.make("svg", { class: "chart", viewBox: `0 0 ${width} ${PLOT.height}`, role: "img", "aria-label": "Spectrum" });
    Object.assign(this.svg.dataset, { low: this.low, high: this.high, first: this.first, last: this.last });
    this.axes(wavelengths ? "wavelength (nm)" : "band of the file", `value, ${unit}`);
  }

  make(name, attributes, text) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    if (text) made.textContent = text;
    this.svg?.append(made);
    return made;
  }

  x(value) { return PLOT.left + ((value - this.first) / (this.last - this.first)) * (this.width - PLOT.left - PLOT.right); }

  y(value) { return PLOT.height - PLOT.bottom - ((value - this.low) / (this.high - this.low)) * (PLOT.height - PLOT.top - PLOT.bottom); }

  axes(across, up) {
    const [right, bottom] = [this.width - PLOT.right, PLOT.height - PLOT.bottom];
    for (const value of roundNumbers(this.low, this.high, 5)) {
      this.make("line", { class: "grid", x1: PLOT.left, x2: right, y1: this.y(value), y2: this.y(value) });
      this.make("text", { x: PLOT.left - 8, y: this.y(value) + 4, "text-anchor": "end" }, shortNumber(value));
    }
    const about = Math.max(4, Math.round(this.width / 100));
    for (const value of roundNumbers(this.first, this.last, about).filter(Number.isInteger)) {
      this.make("text", { x: this.x(value), y: bottom + 17, "text-anchor": "middle" }, shortNumber(value));
    }
    this.make("line", { class: "axis", x1: PLOT.left, x2: right, y1: bottom, y2: bottom });
    this.make("text", { class: "label", x: (PLOT.left + right) / 2, y: PLOT.height - 4, "text-anchor": "middle" }, across);
    const middle = (PLOT.top + bottom) / 2;
    this.make("text", { class: "label", x: 12, y: middle, transform: `rotate(-90 12 ${middle})`, "text-anchor": "middle" }, up);
  }

  /* Stretches of bands that stand next to each other in the file, in order of the axis. */
  stretches() {
    const order = this.xs.map((_, i) => i).sort((a, b) => this.xs[a] - this.xs[b]);
    const steps = order.slice(1).map((band, i) => this.xs[band] - this.xs[order[i]]);
    const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)];
    const runs = [];
    order.forEach((band, i) => {
      const next = i > 0 && Math.abs(this.numbers[band] - this.numbers[order[i - 1]]) === 1;
      if (next && !(this.wavelengths && steps[i - 1] > HOLE * usual)) runs.at(-1).push(band);
      else runs.push([band]);
    });
    return runs;
  }

  line(values, kind) {
    const path = this.stretches().map((bands) => this.path(bands, values)).join("");
    this.make("path", { class: `line ${kind}`, d: path });
    return this;
  }

  path(bands, values) {
    const points = bands.map((band) => `${this.x(this.xs[band]).toFixed(2)},${this.y(values[band]).toFixed(2)}`);
    return points.length === 1 ? `M${points[0]}h1` : `M${points.join("L")}`;
  }

  band(low, high) {
    const path = this.stretches().map((bands) => `${this.path(bands, low)}L${this.path([...bands].reverse(), high).slice(1)}Z`);
    this.make("path", { class: "band", d: path.join("") });
    return this;
  }

  /* Call back with the band nearest to the pointer, and mark it. */
  follow(listener) {
    const ruler = this.make("line", { class: "ruler", y1: PLOT.top, y2: PLOT.height - PLOT.bottom, visibility: "hidden" });
    this.svg.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) / box.width) * this.width;
      let nearest = 0;
      this.xs.forEach((value, i) => {
        if (Math.abs(this.x(value) - at) < Math.abs(this.x(this.xs[nearest]) - at)) nearest = i;
      });
      for (const side of ["x1", "x2"]) ruler.setAttribute(side, this.x(this.xs[nearest]));
      ruler.setAttribute("visibility", "visible");
      listener(nearest);
    });
  }
}

function roundNumbers(low, high, about) {
  const raw = (high - low) / about;
  const magnitude = 10 ** Math.floor(Math.log10(raw));
  const step = magnitude * [1, 2, 2.5, 5, 10].find((factor) => factor * magnitude >= raw * 0.999);
  const numbers = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) numbers.push(i * step);
  return numbers;
}

function shortNumber(value) {
  return Math.abs(value) >= 1e6 ? value.toExponential(1) : String(Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 6 }));
}
