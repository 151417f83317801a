// Cells to pixels. A pixel that covers several weights shows all of them: each weight falls into exactly one pixel, the pixel's
// colour mixes the states in proportion, and its opacity is the occupied share to the power INK, so that a lone weight stays visible.
const INK = 0.7;

const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));
const pixel = ([r, g, b]) => (0xff000000 | Math.round(b) << 16 | Math.round(g) << 8 | Math.round(r)) >>> 0;
const mix = (a, b, t) => a.map((x, i) => x + (b[i] - x) * t);

// ink[phase][state]: state 1 kept, 2 added, 3 removed. Removed is hatched: in its second phase it is paler.
function inks(colours) {
  const paper = rgb(colours.paper), kept = rgb(colours.kept), added = rgb(colours.added), removed = rgb(colours.removed);
  return { paper, gap: rgb(colours.gap), ink: [[paper, kept, added, removed], [paper, kept, added, mix(removed, paper, 0.45)]] };
}

// Paints w × h pixels into `out` (Uint32Array, ABGR). order: line() and count() of cells.js; states[code]: what a code is
// drawn as here (0: paper). step: pixels of a hatch line. tint: opacity by mean level, where weights are shaded (order.weigh).
// image: what `out` belongs to, where it still holds the last picture: pixels whose counts are the same are left alone.
function paint(out, w, h, order, R, C, view, states, colours, step, tint = null, image = null) {
  const cols = edges(w, view.x0, view.perX, C), rows = edges(h, view.y0, view.perY, R);
  const many = view.perX > 1 || view.perY > 1 || order.unit > 1 || tint;
  if (image && (!many || tint)) image.seen = null;
  if (many) paintMany(out, w, h, order, cols, rows, view, states, colours, step, tint, image && !tint ? lastCounts(image, view, order, states, colours) : null);
  else paintCells(out, w, h, order, C, cols, rows, view, states, colours, step);
}

// Every pixel lies in one cell; cells that are large enough are parted by a hair. Within a row of cells the hatch repeats.
function paintCells(out, w, h, order, C, cols, rows, view, states, { gap, ink }, step) {
  const flat = Uint32Array.from(ink.flatMap(phase => Array.from(states, s => pixel(phase[s])))), phase = phases(w + h, step, 2);
  const lines = view.hair, hair = pixel(gap), here = new Uint8Array(w), line = new Uint8Array(C);
  for (let y = 0, first = 0; y < h; y++) {
    const k = y * w;
    if (y === 0 || rows[y] !== rows[y - 1]) {
      order.line(rows[y], cols[0], cols[w - 1] + 1, line);
      for (let x = 0; x < w; x++) here[x] = line[cols[x]];
      first = y;
      if (lines) { out.fill(hair, k, k + w); first++; continue; }
    }
    if (y - first >= 2 * step) { out.copyWithin(k, k - 2 * step * w, k - 2 * step * w + w); continue; }
    for (let x = 0; x < w; x++) out[k + x] = flat[phase[x + y] | here[x]];
    if (lines) for (let x = 1; x < w; x++) if (cols[x] !== cols[x - 1]) out[k + x] = hair;
  }
}

// A pixel's counts come from the order.
function paintMany(out, w, h, order, cols, rows, view, states, colours, step, tint, last) {
  const wideX = view.perX > 1, wideY = view.perY > 1, counts = new Int32Array(w), levels = new Int32Array(w), phase = phases(w + h, step, 0);
  const find = finder(states, colours, tint), blank = pixel(colours.paper), everywhere = states[NEVER] !== 0, unit = order.unit ?? 1;
  const cells = new Int32Array(w), hair = pixel(colours.gap);       // cells of a pixel in this row, shifted left for the hatch phase
  let last0 = -1, last1 = -1, lastTall = 0;
  for (let y = 0, k = 0; y < h; y++) {
    const y0 = rows[y], y1 = wideY ? rows[y + 1] : y0 + 1, tall = y1 - y0, first = y0 !== last0 || y1 !== last1;
    if (first) {
      order.count(y0, y1, cols, wideX, counts);
      if (tint) order.weigh(y0, y1, cols, wideX, levels);
      if (tall !== lastTall) for (let x = 0; x < w; x++) cells[x] = (wideX ? tall * (cols[x + 1] - cols[x]) : tall) * unit << 1;
      last0 = y0; last1 = y1; lastTall = tall;
    }
    if (view.hair && first) { out.fill(hair, k, k += w); continue; }
    for (let x = 0; x < w; x++, k++) {
      const n = counts[x];
      if (last) { if (last[k] === n) continue; last[k] = n; }
      out[k] = n === 0 && !everywhere ? blank : find(n, cells[x] | phase[x + y], levels[x]);
    }
    if (view.hair) for (let x = 1; x < w; x++) if (cols[x] !== cols[x - 1]) out[k - w + x] = hair;
  }
}

// The counts that an image was painted from; none where it showed other cells, or in other colours.
function lastCounts(image, { x0, y0, perX, perY, ratio, large }, { unit = 1 }, states, colours) {
  const name = [x0, y0, perX, perY, ratio * large, unit, states].join();
  if (image.seen?.name !== name || image.seen.colours !== colours) image.seen = { name, colours, counts: new Int32Array(image.width * image.height).fill(-1) };
  return image.seen.counts;
}

// From one redraw to the next, as long as the theme stays: a dragged threshold mixes few new colours.
const finders = new WeakMap();

function finder(states, colours, tint) {
  if (tint) return remembered(mixer(states, colours, tint));
  if (!finders.has(colours)) finders.set(colours, new Map());
  const known = finders.get(colours), name = states.join();
  if (!known.has(name)) known.set(name, remembered(mixer(states, colours)));
  return known.get(name);
}

// Few different counts occur, so colours are remembered (direct-mapped, by counts, cells and hatch phase, and levels).
function remembered(colour) {
  const size = 1 << 14, known = new Uint32Array(size), knownCounts = new Int32Array(size).fill(-1), knownCells = new Int32Array(size), knownLevels = new Int32Array(size);
  return (n, of, level) => {
    const slot = Math.imul(n ^ of << 5 ^ level << 7, 0x9e3779b1) >>> 18;
    if (knownCounts[slot] !== n || knownCells[slot] !== of || knownLevels[slot] !== level) {
      known[slot] = colour(n & FIELD, n >>> 10 & FIELD, n >>> 20 & FIELD, of >> 1, of & 1, level);
      knownCounts[slot] = n; knownCells[slot] = of; knownLevels[slot] = level;
    }
    return known[slot];
  };
}

// The colour of a pixel with so many added, removed and kept weights among its cells; level: sum over its weights after, for `tint`.
function mixer(states, { paper, ink }, tint = null) {
  return (added, removed, kept, cells, phase, level) => {
    const counts = [cells - added - removed - kept, added, removed, kept], sum = [0, 0, 0], after = added + kept, dim = tint && after ? tint(level / after) : 1;
    let shown = 0, strong = 0;
    for (let code = 0; code < 4; code++) if (states[code] && counts[code]) {
      const weight = counts[code] * (code & 1 ? dim : 1);
      shown += counts[code];
      strong += weight;
      ink[phase][states[code]].forEach((v, i) => { sum[i] += weight * v; });
    }
    return pixel(shown ? mix(paper, sum.map(v => v / strong), (shown / cells) ** INK * strong / shown) : paper);
  };
}

// Device pixels of a hatch line; ratio: device pixels of a css pixel, times how large letters are.
const hatch = ratio => Math.max(2, Math.round(2 * ratio));

// Hatch phase by x + y, shifted left: 0 or 1 << shift.
function phases(size, step, shift) {
  return Uint8Array.from({ length: size }, (_, i) => (Math.floor(i / step) & 1) << shift);
}
