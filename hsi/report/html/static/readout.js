/* What is known of the pixel under the cursor. */
class Readout {
  constructor(data, arrays, box, spoken) {
    Object.assign(this, { data, arrays, spoken });
    this.cells = new Map([...box.querySelectorAll("[data-of]")].map((cell) => [cell.dataset.of, cell]));
  }

  show(pixel) {
    const texts = pixel ? this.describe(pixel) : {};
    for (const [name, cell] of this.cells) {
      cell.textContent = texts[name] ?? "–";
      cell.title = texts[name] ?? "";
    }
  }

  speak(pixel) {
    const { pixel: place, truth, map, confidence } = this.describe(pixel);
    const parts = [`row and column ${place}`, `map ${map}`];
    if (truth) parts.push(`${this.data.truthName} ${truth}`);
    if (confidence) parts.push(`confidence ${confidence}`);
    this.spoken.textContent = parts.join(", ");
  }

  describe({ row, column }) {
    const { step, columns, classes, place } = this.data;
    const { map, truth, confidence, split } = this.arrays;
    const i = row * columns + column;
    const name = (codes, none) => (codes && codes[i] ? classes[codes[i] - 1].name : none);
    const [y, x] = [row * step, column * step];
    return {
      pixel: `${y}, ${x}`,
      place: place && coordinates(place, y, x),
      degrees: place?.degrees && degrees(place.degrees, (y + 0.5) / this.data.height, (x + 0.5) / this.data.width),
      truth: truth && name(truth, "not labelled"),
      map: name(map, "no data"),
      confidence: confidence && (confidence[i] ? `${Math.round(((confidence[i] - 1) / 254) * 100)} %` : "–"),
      split: split && SPLIT_NAMES[split[i]],
    };
  }
}

/* Map coordinates of the middle of a pixel. */
function coordinates({ transform: [a, b, c, d, e, f] }, row, column) {
  const size = Math.min(Math.hypot(a, d), Math.hypot(b, e));
  const digits = Math.min(Math.max(Math.ceil(1 - Math.log10(size)), 0), 8);
  const [x, y] = [column + 0.5, row + 0.5];
  return `${(a * x + b * y + c).toFixed(digits)}, ${(d * x + e * y + f).toFixed(digits)}`;
}

/* Longitude and latitude between the nodes of a grid; down and across go from 0 to 1. */
function degrees(grid, down, across) {
  const [y, x] = [down * (grid.rows - 1), across * (grid.columns - 1)];
  const [row, column] = [Math.min(Math.floor(y), grid.rows - 2), Math.min(Math.floor(x), grid.columns - 2)];
  const [v, u] = [y - row, x - column];
  const at = (values, r, c) => values[r * grid.columns + c];
  const between = (values) =>
    (1 - v) * ((1 - u) * at(values, row, column) + u * at(values, row, column + 1)) +
    v * ((1 - u) * at(values, row + 1, column) + u * at(values, row + 1, column + 1));
  return `${between(grid.longitude).toFixed(grid.decimals)}°, ${between(grid.latitude).toFixed(grid.decimals)}°`;
}
