/* Arrays of the page: base64 of zlib-compressed little-endian numbers. */
const TYPES = { uint8: Uint8Array, uint16: Uint16Array, float32: Float32Array };

async function unpack(field) {
  const bytes = Uint8Array.from(atob(field.data), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new TYPES[field.dtype](await new Response(stream).arrayBuffer());
}

function element(name, attributes = {}, text = null) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

function byId(id) {
  return document.getElementById(id);
}

function grouped(number, digits = 0) {
  return number.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
