/* Pointer, wheel and keys on the map. */
const CLICK_DISTANCE = 5;

function listenToPointers(viewer) {
  const { canvas } = viewer;
  const pointers = new Map();
  let travelled = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { distance: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    travelled = pointers.size > 1 ? Infinity : 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = place(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      viewer.setCursor(viewer.pixelAt(now.x, now.y));
      return;
    }
    const old = pointers.size === 2 ? spread() : null;
    pointers.set(event.pointerId, now);
    if (old) {
      const together = spread();
      viewer.zoom(together.distance / Math.max(old.distance, 1), together.x, together.y);
      viewer.move(together.x - old.x, together.y - old.y);
    } else {
      travelled += Math.hypot(now.x - before.x, now.y - before.y);
      if (travelled > CLICK_DISTANCE) viewer.move(now.x - before.x, now.y - before.y);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    const pixel = viewer.pixelAt(place(event).x, place(event).y);
    if (travelled <= CLICK_DISTANCE && pointers.has(event.pointerId) && pixel) {
      viewer.setCursor(pixel);
      viewer.pick(pixel);
    }
    pointers.delete(event.pointerId);
  });
  canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", () => pointers.size || viewer.setCursor(null));
  canvas.addEventListener("dblclick", (event) => viewer.zoom(2, place(event).x, place(event).y));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return; // the page scrolls
    event.preventDefault();
    viewer.zoom(Math.exp(-Math.sign(event.deltaY) * Math.min(Math.abs(event.deltaY), 100) * 0.003), place(event).x, place(event).y);
  }, { passive: false });
}

function listenToKeys(viewer) {
  const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  viewer.canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = steps[event.key];
    if (step) moveCursor(viewer, step, event.shiftKey ? 10 : 1);
    else if (event.key === "+" || event.key === "=") viewer.zoom(1.5);
    else if (event.key === "-") viewer.zoom(1 / 1.5);
    else if (event.key === "0") viewer.fit();
    else if ((event.key === "Enter" || event.key === " ") && viewer.cursor) viewer.pick(viewer.cursor);
    else return;
    event.preventDefault();
  });
}

function moveCursor(viewer, [down, across], by) {
  const middle = viewer.pixelAt(viewer.width / 2, viewer.height / 2) ?? { row: 0, column: 0 };
  const from = viewer.cursor ?? viewer.picked;
  const pixel = from ? { row: from.row + down * by, column: from.column + across * by } : middle;
  pixel.row = Math.min(Math.max(pixel.row, 0), viewer.rows - 1);
  pixel.column = Math.min(Math.max(pixel.column, 0), viewer.columns - 1);
  viewer.setCursor(pixel);
  viewer.show(pixel);
  viewer.emit("stepped", pixel);
}
