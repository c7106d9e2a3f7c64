// ThumbHash (Evan Wallace, https://evanw.github.io/thumbhash/): a few cosines of luminance and chroma in some 25 bytes.

/** The placeholder of a base64 thumbhash as a canvas of at most 32 pixels a side; null for what is no thumbhash. */
export function placeholder(base64) {
  try {
    return draw(Uint8Array.from(atob(base64), (c) => c.charCodeAt(0)));
  } catch {
    return null;
  }
}

function draw(hash) {
  const head = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const tail = hash[3] | (hash[4] << 8);
  const alpha = head >> 23;
  const wide = tail >> 15;
  const lx = Math.max(3, wide ? (alpha ? 5 : 7) : tail & 7);
  const ly = Math.max(3, wide ? tail & 7 : alpha ? 5 : 7);
  const level = levels(hash, alpha ? 6 : 5);
  const l = channel((head & 63) / 63, ((head >> 18) & 31) / 31, lx, ly, level);
  const p = channel(((head >> 6) & 63) / 31.5 - 1, (((tail >> 3) & 63) / 63) * 1.25, 3, 3, level);
  const q = channel(((head >> 12) & 63) / 31.5 - 1, (((tail >> 9) & 63) / 63) * 1.25, 3, 3, level);
  const ratio = lx / ly;
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(ratio > 1 ? 32 : 32 * ratio);
  canvas.height = Math.round(ratio > 1 ? 32 / ratio : 32);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, i = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, i += 4) {
      const u = (x + 0.5) / canvas.width;
      const v = (y + 0.5) / canvas.height;
      const bright = l(u, v);
      const blue = bright - (2 / 3) * p(u, v);
      const red = (3 * bright - blue + q(u, v)) / 2;
      picture.data.set([red * 255, (red - q(u, v)) * 255, blue * 255, 255], i); // clamped by the array
    }
  }
  context.putImageData(picture, 0, 0);
  return canvas;
}

/** Reads the 4-bit levels from byte `start` on, one a call, from -1 to 1. */
function levels(hash, start) {
  let i = 0;
  return () => {
    const byte = hash[start + (i >> 1)];
    if (byte === undefined) throw new RangeError("the thumbhash is cut short");
    return ((byte >> ((i++ & 1) << 2)) & 15) / 7.5 - 1;
  };
}

/** A function of the place (0 to 1 each way): the sum of the channel's cosines. */
function channel(mean, scale, nx, ny, level) {
  const terms = [];
  for (let y = 0; y < ny; y++) {
    for (let x = y ? 0 : 1; x * ny < nx * (ny - y); x++) terms.push([x * Math.PI, y * Math.PI, level() * scale]);
  }
  return (u, v) => terms.reduce((sum, [x, y, a]) => sum + 2 * a * Math.cos(x * u) * Math.cos(y * v), mean);
}
