/* The tool bar: which layers, how opaque, swipe, zoom; and the key of the layer on top. */
function addLayerControls(viewer, layers) {
  const names = layers.names();
  const top = byId("top-layers");
  for (const name of names) {
    const label = element("label");
    const input = element("input", { type: "radio", name: "top-layer", value: name });
    input.checked = name === viewer.top;
    input.addEventListener("change", () => setLayers(viewer, layers, name, viewer.bottom));
    label.append(input, layers.title(name));
    top.append(label);
  }
  const bottom = byId("bottom-layer");
  for (const name of [...names, "none"]) bottom.append(element("option", { value: name }, name === "none" ? "nothing" : layers.title(name)));
  bottom.value = viewer.bottom;
  bottom.addEventListener("change", () => setLayers(viewer, layers, viewer.top, bottom.value));
  byId("opacity").addEventListener("input", (event) => {
    viewer.opacity = event.target.value / 100;
    viewer.draw();
  });
}

function setLayers(viewer, layers, top, bottom) {
  viewer.top = top;
  viewer.bottom = bottom;
  showKey(byId("layer-key"), layers, top);
  viewer.draw();
}

function showKey(box, layers, name) {
  const entry = (colour, text) => {
    const part = element("span");
    const mark = element("i");
    mark.style.background = rgb(colour);
    part.append(mark, text);
    return part;
  };
  const parts = {
    picture: () => ["Red, green and blue from three bands, each stretched from its 2nd to its 98th percentile"],
    truth: () => ["Colours as in the list of classes"],
    map: () => ["Colours as in the list of classes; hatched where there is none"],
    confidence: () => [confidenceKey()],
    errors: () => errorsKey(layers, entry),
    split: () => SPLIT.flatMap((colour, i) => (colour && layers.arrays.split.includes(i) ? [entry(colour, SPLIT_NAMES[i])] : [])),
  };
  box.replaceChildren(...parts[name]());
}

function confidenceKey() {
  const part = element("span", {}, "0 %");
  const bar = element("i", { class: "ramp" });
  bar.style.background = `linear-gradient(to right, ${CIVIDIS.map(rgb).join(", ")})`;
  part.append(bar, "100 %");
  return part;
}

function errorsKey(layers, entry) {
  const counts = [0, 0];
  for (let i = 0; i < layers.pixels; i++) if (layers.counted(i)) counts[layers.correct(i) ? 0 : 1]++;
  const all = Math.max(counts[0] + counts[1], 1);
  const share = (count) => `${grouped(count)} (${grouped((100 * count) / all, 2)} %)`;
  const tested = layers.data.countAll ? "of the reference" : "of the test pixels";
  const shown = layers.data.step > 1 ? ", of those shown" : "";
  return [entry(RIGHT, `right: ${share(counts[0])}`), entry(WRONG, `wrong: ${share(counts[1])}`), `${tested}${shown}`];
}

function addZoomControls(viewer) {
  byId("zoom-in").addEventListener("click", () => viewer.zoom(1.5));
  byId("zoom-out").addEventListener("click", () => viewer.zoom(1 / 1.5));
  byId("zoom-fit").addEventListener("click", () => viewer.fit());
}

function addSwipe(viewer) {
  const [button, handle] = [byId("swipe"), byId("swipe-handle")];
  const place = (share) => {
    viewer.swipe = Math.min(Math.max(share, 0), 1);
    handle.style.left = `${100 * viewer.swipe}%`;
    handle.setAttribute("aria-valuenow", Math.round(100 * viewer.swipe));
    viewer.draw();
  };
  button.addEventListener("click", () => {
    const on = viewer.swipe === null;
    button.setAttribute("aria-pressed", String(on));
    handle.hidden = !on;
    if (on) place(0.5);
    else viewer.swipe = null;
    viewer.draw();
  });
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = viewer.canvas.getBoundingClientRect();
    place((event.clientX - box.left) / box.width);
  });
  handle.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.02, ArrowRight: 0.02, PageDown: -0.2, PageUp: 0.2, Home: -1, End: 1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    place(viewer.swipe + by);
  });
}

/* A bar of round length where pixels have a size in metres. */
function addScaleBar(viewer, metres) {
  const box = byId("scale-bar");
  if (!metres) return;
  box.hidden = false;
  viewer.on("drawn", () => {
    const dot = metres / viewer.scale;
    const most = dot * Math.min(160, viewer.width / 3);
    const magnitude = 10 ** Math.floor(Math.log10(most));
    const length = magnitude * [5, 2, 1].find((factor) => factor * magnitude <= most);
    box.firstElementChild.style.width = `${length / dot}px`;
    box.lastChild.textContent = length >= 1000 ? `${grouped(length / 1000)} km` : `${Number(length.toPrecision(2))} m`;
  });
  box.append("");
}
