// Where everything lies, in device pixels: one panel or two, which cells they show, and which weights are under a pointer.
const LABEL = 20, GAP = 20, NARROW = 640;                 // css pixels; narrower than that, the two panels of "both" are stacked
const FIT_LARGEST = 24, LARGEST = 28, HAIR = 7;           // of a cell: at most when all are shown, at most, and from where on a hair parts it from the next

const letters = () => parseFloat(getComputedStyle(document.documentElement).fontSize) / 16;       // how much larger than usual the page's are
const cssSize = ({ stage }) => `${stage.clientWidth}×${stage.clientHeight}×${window.devicePixelRatio}×${letters()}`;

const EXACT = 64;                                         // css pixels of a cell at most in a window that was asked for

// Zoom runs from the whole layer, stretched to its panel, to square cells; in between each axis grows by its own constant factor. A window
// that was asked for fills its panel.
function shapeOf(view) {
  const { stage, layer: { R }, across: C, kept: { t, cx, cy, exact } } = view, ratio = view.ratio ?? (window.devicePixelRatio || 1), px = css => Math.round(css * ratio), large = letters();
  const width = px(stage.clientWidth), height = px(stage.clientHeight), label = px(LABEL * large), gap = px(GAP);
  const names = PANELS[view.mode], two = names.length > 1, across = two && stage.clientWidth >= NARROW;
  const w = across ? Math.floor((width - gap) / 2) : width, h = two && !across ? Math.floor((height - 2 * label - gap / 2) / 2) : height - label;
  const axis = (room, cells, centre, from, to) => {
    const fit = Math.min(room / cells, FIT_LARGEST * ratio), near = Math.max(fit, LARGEST * ratio), cell = fit ** (1 - t) * near ** t;
    if (exact) {
      const seen = to - from, size = Math.max(1, Math.min(room, Math.round(seen * EXACT * ratio)));
      return { size, per: seen / size, seen, start: from, near: near > fit ? Math.log(size / seen / fit) / Math.log(near / fit) : 0 };
    }
    const size = Math.max(1, Math.min(room, Math.round(cells * cell))), per = t === 0 ? cells / size : 1 / cell, seen = t === 0 ? cells : Math.min(cells, size * per);
    return { size, per, seen, start: Math.max(0, Math.min(cells - seen, centre - seen / 2)) };
  };
  const x = axis(w, C, cx, exact?.j0, exact?.j1), y = axis(h, R, cy, exact?.i0, exact?.i1), down = label + h + Math.round(gap / 2);
  const panels = names.map((name, i) => ({ name, w: x.size, h: y.size, x: across ? i * (w + gap) : 0, y: label + (across ? 0 : i * down) }));
  return { panels, width, height, ratio, large, label, css: cssSize(view), x0: x.start, y0: y.start, perX: x.per, perY: y.per, seenX: x.seen, seenY: y.seen,
    hair: x.per * HAIR < 1 && y.per * HAIR < 1, near: ((x.near ?? t) + (y.near ?? t)) / 2 };
}

// How near (0…1) the window that was asked for is.
const nearness = view => Math.max(0.02, Math.min(1, shapeOf(view).near));

// First cell of each of w pixels, from `start` on; [w] ends the last. Below one cell a pixel, the cell at the pixel's middle.
function edges(w, start, per, size) {
  const first = new Int32Array(w + 1), shift = per < 1 ? 0.5 : 0, most = per < 1 ? size - 1 : size;
  for (let x = 0; x <= w; x++) first[x] = Math.max(0, Math.min(most, Math.floor(start + (x + shift) * per + 1e-9)));
  return first;
}

// The weights under a pointer: places i…i1 and j…j1 (excluded) of its pixel, and its panel; null beside the picture.
function cellAt(view, event) {
  const box = view.marks.getBoundingClientRect(), g = view.shape, { layer: { R }, across: C } = view;
  const px = Math.floor((event.clientX - box.left) * g.ratio), py = Math.floor((event.clientY - box.top) * g.ratio);
  const panel = g.panels.find(p => px >= p.x && px < p.x + p.w && py >= p.y && py < p.y + p.h);
  if (!panel) return null;
  const cols = edges(panel.w, g.x0, g.perX, C), rows = edges(panel.h, g.y0, g.perY, R), x = px - panel.x, y = py - panel.y;
  return { panel, i: rows[y], i1: g.perY > 1 ? rows[y + 1] : rows[y] + 1, j: cols[x], j1: g.perX > 1 ? cols[x + 1] : cols[x] + 1 };
}
