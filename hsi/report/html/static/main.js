async function readArrays(layers) {
  const names = Object.keys(layers);
  const arrays = await Promise.all(names.map((name) => unpack(layers[name])));
  return Object.fromEntries(names.map((name, i) => [name, arrays[i]]));
}

async function readPicture(url) {
  if (!url) return null;
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

async function startViewer(data) {
  const [arrays, picture] = await Promise.all([readArrays(data.layers), readPicture(data.picture)]);
  const layers = new Layers(data, arrays, picture);
  const viewer = new Viewer(byId("canvas"), layers);
  viewer.bottom = picture ? "picture" : arrays.truth ? "truth" : "none";
  const readout = new Readout(data, arrays, byId("readout"), byId("spoken"));
  viewer.on("cursor", (pixel) => readout.show(pixel ?? viewer.picked));
  viewer.on("stepped", (pixel) => readout.speak(pixel));
  if (data.spectra) {
    const plot = new SpectrumPlot(data, arrays);
    viewer.on("pick", (pixel) => plot.show(pixel));
  }
  new Legend(byId("legend"), data.classes, (code) => {
    layers.isolated = code;
    viewer.draw();
  });
  addPaletteToggle((palette) => {
    layers.palette = palette;
    viewer.draw();
  });
  addLayerControls(viewer, layers);
  setLayers(viewer, layers, viewer.top, viewer.bottom);
  addZoomControls(viewer);
  addSwipe(viewer);
  addScaleBar(viewer, data.place?.metres && data.place.metres * data.step);
  listenToPointers(viewer);
  listenToKeys(viewer);
  return viewer;
}

async function start() {
  let viewer = null;
  addThemeToggle(() => viewer?.draw());
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  document.querySelectorAll(".scroll").forEach(showWidth);
  const data = byId("data");
  if (data) {
    try {
      viewer = await startViewer(JSON.parse(data.textContent));
    } catch (error) {
      const problem = byId("map-problem");
      problem.textContent = `The map cannot be shown by this browser (${error.message}): a newer one can; the tables below work without it.`;
      problem.hidden = false;
    }
  }
  document.documentElement.dataset.ready = "true";
}

start();
