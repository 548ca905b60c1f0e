/* The canvas: two layers on top of each other, a view that moves and zooms, a cursor and a picked pixel. */
class Viewer {
  constructor(canvas, layers) {
    Object.assign(this, { canvas, layers, scale: 1, x: 0, y: 0, fitted: true, opacity: 1, swipe: null });
    Object.assign(this, { cursor: null, picked: null, top: "map", bottom: "none", listeners: {} });
    this.rows = layers.data.rows;
    this.columns = layers.data.columns;
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
    this.resize();
  }

  on(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }

  emit(name, ...what) {
    for (const listener of this.listeners[name] ?? []) listener(...what);
  }

  get width() { return this.canvas.clientWidth; }

  get height() { return this.canvas.clientHeight; }

  resize() {
    const wanted = (this.canvas.parentElement.clientWidth * this.rows) / this.columns;
    const height = Math.round(Math.min(Math.max(wanted, 240), window.innerHeight * 0.72, 760));
    this.canvas.style.height = `${height}px`;
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = Math.round(this.width * ratio);
    this.canvas.height = Math.round(this.height * ratio);
    if (this.fitted) this.fit();
    this.draw();
  }

  fit() {
    this.scale = Math.min(this.width / this.columns, this.height / this.rows);
    this.x = (this.width - this.columns * this.scale) / 2;
    this.y = (this.height - this.rows * this.scale) / 2;
    this.fitted = true;
    this.draw();
  }

  /* Zoom by a factor so that what is at (x, y) of the canvas stays there. */
  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const least = Math.min(this.width / this.columns, this.height / this.rows) * 0.8;
    const scale = Math.min(Math.max(this.scale * factor, least), Math.max(64, least));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.keepInside();
  }

  move(x, y) {
    this.x += x;
    this.y += y;
    this.fitted = false;
    this.keepInside();
  }

  keepInside() {
    const [wide, high] = [this.columns * this.scale, this.rows * this.scale];
    this.x = Math.min(Math.max(this.x, 60 - wide), this.width - 60);
    this.y = Math.min(Math.max(this.y, 60 - high), this.height - 60);
    this.draw();
  }

  pixelAt(x, y) {
    const pixel = { row: Math.floor((y - this.y) / this.scale), column: Math.floor((x - this.x) / this.scale) };
    return this.holds(pixel) ? pixel : null;
  }

  holds({ row, column }) {
    return row >= 0 && column >= 0 && row < this.rows && column < this.columns;
  }

  setCursor(pixel) {
    this.cursor = pixel;
    this.emit("cursor", pixel);
    this.draw();
  }

  pick(pixel) {
    this.picked = pixel;
    this.emit("pick", pixel);
    this.draw();
  }

  /* Move the view so that a pixel is seen. */
  show({ row, column }) {
    const [x, y] = [this.x + (column + 0.5) * this.scale, this.y + (row + 0.5) * this.scale];
    const rim = Math.min(40, this.width / 4);
    const across = x < rim ? rim - x : x > this.width - rim ? this.width - rim - x : 0;
    const down = y < rim ? rim - y : y > this.height - rim ? this.height - rim - y : 0;
    if (!this.fitted && (across || down)) this.move(across, down);
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.paint();
      this.emit("drawn");
    });
  }

  paint() {
    this.canvas.style.touchAction = this.fitted ? "pan-y" : "none"; // a page is scrolled past a map that is all seen
    const context = this.canvas.getContext("2d");
    const ratio = this.canvas.width / (this.width || 1);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.paintEmpty(context);
    this.paintLayer(context, this.bottom, 1, null);
    this.paintLayer(context, this.top, this.opacity, this.swipe);
    this.outline(context, this.picked, 3);
    this.outline(context, this.cursor, 1.5);
  }

  /* Hatched, so that pixels without data differ from every class and from the space around the scene. */
  paintEmpty(context) {
    const [paper, line] = ["--empty", "--empty-line"].map((name) => getComputedStyle(this.canvas).getPropertyValue(name));
    context.save();
    context.beginPath();
    context.rect(this.x, this.y, this.columns * this.scale, this.rows * this.scale);
    context.clip();
    context.fillStyle = paper;
    context.fillRect(0, 0, this.width, this.height);
    context.strokeStyle = line;
    context.lineWidth = 1;
    context.beginPath();
    for (let x = -this.height; x < this.width; x += 8) {
      context.moveTo(x, this.height);
      context.lineTo(x + this.height, 0);
    }
    context.stroke();
    context.restore();
  }

  paintLayer(context, name, opacity, swipe) {
    const image = this.layers.image(name);
    if (!image) return;
    context.save();
    if (swipe !== null) {
      context.beginPath();
      context.rect(0, 0, swipe * this.width, this.height);
      context.clip();
    }
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = this.scale < 1 && name === "picture"; // a mean of two classes is neither
    context.drawImage(image, this.x, this.y, this.columns * this.scale, this.rows * this.scale);
    context.restore();
  }

  outline(context, pixel, width) {
    if (!pixel) return;
    const size = Math.max(this.scale, 5);
    const rim = (size - this.scale) / 2;
    const place = [this.x + pixel.column * this.scale - rim, this.y + pixel.row * this.scale - rim, size, size];
    for (const [colour, wide] of [["rgb(255 255 255 / .95)", width + 2], ["#111", width]]) {
      context.strokeStyle = colour;
      context.lineWidth = wide;
      context.strokeRect(...place);
    }
  }
}
