// What may be shown of a layer, and the reader's change from one view to another: which masks, in which order, by which cells, in which shades.
const MODES = { before: ["Before", "The mask before"], after: ["After", "The mask after"], pair: ["Both", "Before and after, side by side"],
  diff: ["Difference", "What was kept, added and removed (D)"] };
const ORDERS = { original: ["Original", "As the network stores it (G)"],
  grouped: ["Grouped", "Rows of a block together, in each band the block's columns first (G)"] };
const PANELS = { before: ["before"], after: ["after"], diff: ["diff"], pair: ["left", "right"] };
// What each code (never, added, removed, kept) is drawn as in a panel: 0 paper, 1 kept, 2 added, 3 removed.
const STATES = { before: [0, 0, 1, 1], after: [0, 1, 0, 1], diff: [0, 2, 3, 1], left: [0, 0, 3, 1], right: [0, 2, 0, 1] };
const CELLS = { weights: ["Weights", "One cell a weight: output channels × columns"], kernels: ["Kernels", "One cell a kernel, shaded by how many of its positions are kept: output × input channels"] };
const NAMES = { before: "before", after: "after", diff: "before → after", left: "before", right: "after" };

function setMode(view, mode) {
  if (!view.layer.paired || mode === view.kept.mode) return;
  Object.assign(view.kept, { mode, only: null });
  view.hover = null;
  switched(view);
}

function difference(view) {
  const k = view.kept;
  if (k.mode !== "diff") k.last = k.mode;
  setMode(view, k.mode === "diff" ? k.last ?? "after" : "diff");
}

// Weights travel to their new places; whoever asks for less motion sees them there at once.
function setOrder(view, order) {
  const k = view.kept, from = view.order;
  if (!view.layer.orders[order] || order === k.order) return;
  rearrange(view, () => { k.order = order; });
  if (view.order === from || still() || !view.images.length) return;
  const { shape: g } = view;
  view.marks.getContext("2d").clearRect(0, 0, g.width, g.height);
  view.travel = new Travel(view, from, view.order);
}

function setCells(view, cells) {
  const k = view.kept, was = view.across;
  if (!view.layer.kernels || cells === k.cells) return;
  rearrange(view, () => {
    k.cells = cells;
    const share = view.across / was, box = k.exact;
    k.cx *= share;
    if (box) frameOn(view, { ...box, j0: Math.floor(box.j0 * share), j1: Math.ceil(box.j1 * share) });
  });
}

function setShade(view, on) {
  if (on === !!view.kept.shade) return;
  view.kept.shade = on;
  switched(view);
}

function showOnly(view, code) {
  view.kept.only = view.kept.only === code ? null : code;
  controls(view);
  view.draw();
}

// The cursor stays on its weight.
function rearrange(view, act) {
  const k = view.kept, cell = k.cursor && view.order.cell(k.cursor.i, k.cursor.j);
  act();
  if (cell) k.cursor = whereIs(view, cell.r, cell.c);
  view.hover = null;
  switched(view);
}

function switched(view) {
  controls(view);
  view.draw();
  report(view);
}
