// Cells to pixels. A pixel that covers several weights shows all of them: each weight falls into exactly one pixel, the pixel's
// colour mixes the states in proportion, and its opacity is the occupied share to the power INK, so that a lone weight stays visible.
const INK = 0.7;
const SHIFT = 2 ** 17;                       // three counts in one double: kept + SHIFT * (added + SHIFT * removed)

const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
const pixel = ([r, g, b]) => (0xff000000 | Math.round(b) << 16 | Math.round(g) << 8 | Math.round(r)) >>> 0;
const mix = (a, b, t) => a.map((x, i) => x + (b[i] - x) * t);

// ink[phase][state]: state 1 kept, 2 added, 3 removed. Removed is hatched: in its second phase it is paler.
function inks(colours) {
  const paper = rgb(colours.paper), kept = rgb(colours.kept), added = rgb(colours.added), removed = rgb(colours.removed);
  return { paper, gap: rgb(colours.gap), ink: [[paper, kept, added, removed], [paper, kept, added, mix(removed, paper, 0.45)]] };
}

// First cells of w pixels that see `visible` cells from `start` on; edges[w] ends the last. Below one cell a pixel, the cell at its middle.
function edges(w, start, perPixel, size) {
  const first = new Int32Array(w + 1);
  const shift = perPixel < 1 ? 0.5 : 0, most = perPixel < 1 ? size - 1 : size;
  for (let x = 0; x <= w; x++) first[x] = Math.max(0, Math.min(most, Math.floor(start + (x + shift) * perPixel + 1e-9)));
  return first;
}

// Paints w × h pixels into `out` (Uint32Array, ABGR). states[code]: what a code is drawn as here (0 paper). `step`: device pixels of a hatch line.
function paint(out, w, h, codes, R, C, view, states, { paper, gap, ink }, step) {
  const cols = edges(w, view.x0, view.perX, C), rows = edges(h, view.y0, view.perY, R);
  const many = view.perX > 1 || view.perY > 1;
  const lines = view.perX < 1 / 7 && view.perY < 1 / 7 ? pixel(gap) : 0;           // a hair between cells that are large enough
  if (!many) {
    const flat = ink.map(phase => Uint32Array.from(states, s => pixel(phase[s])));
    for (let y = 0; y < h; y++) {
      const base = rows[y] * C, top = lines && (y === 0 || rows[y] !== rows[y - 1]);
      for (let x = 0, k = y * w; x < w; x++, k++) {
        const edge = lines && (top || (x > 0 && cols[x] !== cols[x - 1]));
        out[k] = edge ? lines : flat[Math.floor((x + y) / step) & 1][codes[base + cols[x]]];
      }
    }
    return;
  }
  const weight = Float64Array.from(states, s => [0, 1, SHIFT, SHIFT * SHIFT][s]);
  const sums = new Float64Array(w), delta = ink.map(phase => phase.map(c => c.map((v, i) => v - paper[i])));
  const [pr, pg, pb] = paper, blank = pixel(paper), strength = new Map();
  let last0 = -1, last1 = -1;
  for (let y = 0; y < h; y++) {
    const y0 = rows[y], y1 = Math.max(view.perY > 1 ? rows[y + 1] : 0, y0 + 1);
    if (y0 !== last0 || y1 !== last1) {
      sums.fill(0);
      for (let r = y0; r < y1; r++) {
        const base = r * C;
        if (view.perX > 1) {
          for (let x = 0, c = cols[0]; x < w; x++) {
            const stop = cols[x + 1];
            let s = 0;
            for (; c < stop; c++) s += weight[codes[base + c]];
            sums[x] += s;
          }
        } else for (let x = 0; x < w; x++) sums[x] += weight[codes[base + cols[x]]];
      }
      last0 = y0; last1 = y1;
    }
    for (let x = 0, k = y * w; x < w; x++, k++) {
      const sum = sums[x];
      if (sum === 0) { out[k] = blank; continue; }
      const removed = Math.floor(sum / (SHIFT * SHIFT)), rest = sum - removed * SHIFT * SHIFT;
      const added = Math.floor(rest / SHIFT), kept = rest - added * SHIFT;
      const cells = (y1 - y0) * (view.perX > 1 ? cols[x + 1] - cols[x] : 1);
      let table = strength.get(cells);
      if (!table) strength.set(cells, table = Float64Array.from({ length: cells + 1 }, (_, n) => (n / cells) ** INK / n));
      const g = table[kept + added + removed], d = delta[Math.floor((x + y) / step) & 1], [, dk, da, dm] = d;
      const red = pr + g * (kept * dk[0] + added * da[0] + removed * dm[0]);
      const green = pg + g * (kept * dk[1] + added * da[1] + removed * dm[1]);
      const blue = pb + g * (kept * dk[2] + added * da[2] + removed * dm[2]);
      out[k] = 0xff000000 | (blue + 0.5) << 16 | (green + 0.5) << 8 | (red + 0.5);
    }
  }
}
