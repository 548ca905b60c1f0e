/* The colour of a value. RIGHT, WRONG and SPLIT are generated from hsi.core.colours, in front of this script; these
   six steps of cividis are readable with every kind of colour vision. */
const CIVIDIS = [[0, 34, 78], [49, 68, 107], [102, 105, 112], [149, 143, 120], [202, 185, 105], [254, 232, 56]];
const SPLIT_NAMES = ["not used", "training", "validation", "test"];
const DIMMED = 26;

function rgb(colour) {
  return `rgb(${colour.join(", ")})`;
}

function ramp(share) {
  const place = Math.min(Math.max(share, 0), 1) * (CIVIDIS.length - 1);
  const low = Math.min(Math.floor(place), CIVIDIS.length - 2);
  return CIVIDIS[low].map((value, i) => Math.round(value + (place - low) * (CIVIDIS[low + 1][i] - value)));
}

/* Colours of the levels of confidence in a byte, whose 0 means that there is none. */
const CONFIDENCE = Array.from({ length: 256 }, (_, level) => (level ? ramp((level - 1) / 254) : null));

function classColour(entry, palette) {
  return palette === "safe" ? entry.safe : entry.colour;
}
