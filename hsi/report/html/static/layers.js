/* Layers: each gives the colour of a pixel, and is drawn once for a palette and an isolated class. */
const LAYER_NAMES = { picture: "False colour", truth: null, map: "Map", confidence: "Confidence", errors: "Right and wrong", split: "Split" };
const TEST = 3;

class Layers {
  constructor(data, arrays, picture) {
    this.data = data;
    this.arrays = arrays;
    this.picture = picture;
    this.drawn = new Map();
    this.pixels = data.rows * data.columns;
    this.palette = "own";
    this.isolated = null;
  }

  names() {
    const { map, truth, confidence, split } = this.arrays;
    const known = { picture: this.picture, truth, map, confidence, errors: truth && map, split };
    return Object.keys(LAYER_NAMES).filter((name) => known[name]);
  }

  title(name) {
    return name === "truth" ? this.data.truthName : LAYER_NAMES[name];
  }

  /* Whether accuracy was counted at a pixel: at test pixels, or wherever there is a truth and a map. */
  counted(i) {
    const { truth, map, split } = this.arrays;
    return truth[i] > 0 && (this.data.countAll ? map[i] > 0 : split[i] === TEST);
  }

  correct(i) {
    return this.arrays.truth[i] === this.arrays.map[i];
  }

  /* The colour of a pixel of a layer, null where it has none. */
  colourAt(name, i) {
    if (name === "confidence") return CONFIDENCE[this.arrays.confidence[i]];
    if (name === "split") return SPLIT[this.arrays.split[i]] ?? null;
    if (name === "errors") return this.counted(i) ? (this.correct(i) ? RIGHT : WRONG) : null;
    const code = this.arrays[name][i];
    return code === 0 ? null : classColour(this.data.classes[code - 1], this.palette);
  }

  /* The class that isolation goes by: a layer's own, and the map's for layers about the map. */
  classAt(name, i) {
    return this.arrays[name === "truth" || name === "split" ? (this.arrays.truth ? "truth" : "map") : "map"][i];
  }

  image(name) {
    if (name === "none") return null;
    if (name === "picture") return this.picture;
    const key = `${name} ${this.palette} ${this.isolated}`;
    if (!this.drawn.has(key)) {
      if (this.drawn.size > 12) this.drawn.clear();
      this.drawn.set(key, this.draw(name));
    }
    return this.drawn.get(key);
  }

  draw(name) {
    const canvas = element("canvas", { width: this.data.columns, height: this.data.rows });
    const context = canvas.getContext("2d");
    const image = context.createImageData(this.data.columns, this.data.rows);
    for (let i = 0; i < this.pixels; i++) {
      const colour = this.colourAt(name, i);
      if (!colour) continue;
      image.data.set(colour, 4 * i);
      const shown = this.isolated === null || this.classAt(name, i) === this.isolated;
      image.data[4 * i + 3] = shown ? 255 : DIMMED;
    }
    context.putImageData(image, 0, 0);
    return canvas;
  }
}
