// The mask view: what is shown, and what is asked for. The files maskview_*.js hold cells, pixels, words, controls and hands; all
// are joined into one module (maskview.py), whose default export (maskview_mount.js) Streamlit calls anew on every change of data or theme.
const MODES = { before: ["Before", "The mask before"], after: ["After", "The mask after"], pair: ["Both", "Before and after, side by side"],
  diff: ["Difference", "What was kept, added and removed (D)"] };
const ORDERS = { original: ["Original", "As the network stores it (G)"],
  grouped: ["Grouped", "Rows of a block together, in each band the block's columns first (G)"] };
const PANELS = { before: ["before"], after: ["after"], diff: ["diff"], pair: ["left", "right"] };
// What each code (never, added, removed, kept) is drawn as in a panel: 0 paper, 1 kept, 2 added, 3 removed.
const STATES = { before: [0, 0, 1, 1], after: [0, 1, 0, 1], diff: [0, 2, 3, 1], left: [0, 0, 3, 1], right: [0, 2, 0, 1] };
const CELLS = { weights: ["Weights", "One cell a weight: output channels × columns"], kernels: ["Kernels", "One cell a kernel, shaded by how many of its positions are kept: output × input channels"] };
const DEFAULTS = { mode: "after", order: "original", cells: "weights", shade: false, window: "" };   // what a link or the page may ask for
const asking = from => Object.fromEntries(Object.entries(DEFAULTS).map(([field, usual]) => [field, from[field] ?? usual]));
const NAMES = { before: "before", after: "after", diff: "before → after", left: "before", right: "after" };
const ECHO_MS = 5000;                  // longest that a report takes to come back
const mounted = new WeakMap();

// What is selected, without the weight that was clicked.
function plainly({ kind, row, column, block }, { blocks }) {
  if (kind === "block") return { kind, row: blocks[block].rows[0], column: blocks[block].cols[0], block };
  return kind === "row" ? { kind, row, column: 0, block: -1 } : { kind, row: 0, column, block: -1 };
}

function mount(View, { data, parentElement, setStateValue }) {
  let view = mounted.get(parentElement);
  if (!view?.alive) mounted.set(parentElement, view = new View(parentElement, view?.kept));
  return view.update(data, setStateValue);
}

class MaskView {
  // kept: what a reader chose, which outlives a rerun. zoom t: 0 the whole layer, 1 the largest cells; cx, cy: cell in the middle.
  constructor(parent, kept) {
    const find = name => parent.querySelector(`.${name}`);
    for (const name of ["stage", "cells", "marks", "legend", "hint", "tip", "how", "title", "modes", "kinds", "orders", "shades", "zoom", "save", "ramp", "field"]) this[name] = find(name);
    this.root = find("mv");
    this.readout = find("read");
    this.names = [...parent.querySelectorAll(".name")];
    this.kept = kept ?? { t: 0, cx: 0, cy: 0, only: null, cursor: null, picked: null, exact: null };
    this.alive = true;
    this.calls = 0;
    this.images = [];
    this.listening = new AbortController();
    buttons(this);
    listen(this);
    fields(this);
    this.resized = new ResizeObserver(() => { if (this.shape && this.shape.css !== cssSize(this)) this.draw(); });   // at once: no stretched frame
    this.resized.observe(this.stage);
  }

  // New data, or only a new theme. Returns what undoes it; Streamlit calls that of the last call, or of one that came too late.
  update(bytes, setStateValue) {
    const call = ++this.calls;
    this.send = setStateValue;
    if (!(bytes instanceof Uint8Array)) throw new Error("the mask view takes one byte string");
    if (bytes !== this.bytes) this.load(bytes);
    this.theme();
    controls(this);
    this.draw();
    clearTimeout(this.ahead);
    this.ahead = setTimeout(() => Object.values(this.layer.orders).forEach(order => order.ready()), 250);     // before the first switch needs it
    return () => { if (call === this.calls) this.release(); };
  }

  load(bytes) {
    const [head, body] = readHead(bytes), k = this.kept;
    this.bytes = bytes;
    if (this.layer?.head.digest === head.digest) this.layer.head = head;
    else { this.layer = this.read(head, body); this.hover = null; }
    const { layer } = this, which = this.which(head);
    if (k.which !== which) {
      clearTimeout(this.later);
      Object.assign(k, { which, t: 0, cx: layer.C / 2, cy: layer.R / 2, only: null, cursor: null, picked: head.picked, exact: null, window: "", reported: [] });
      k.asked = { ...k.asked, window: "", cells: k.asked?.cells };
      k.askedPick = JSON.stringify(head.picked ?? null);
    }
    this.stage.style.height = `${head.height}px`;
    this.heed(head);
    this.title.textContent = head.title;
    this.marks.setAttribute("aria-label", head.spoken);
  }

  read(head, body) { return readLayer(head, body); }
  which({ layer, rows, cols }) { return `${layer} ${rows} ${cols}`; }

  // Python asks for a view anew, or the reader's choice stays. What comes back of our own reports is old news: meanwhile the reader
  // may have gone on.
  heed(head) {
    const k = this.kept, now = performance.now(), asked = asking(head), differs = (a, b) => Object.keys(DEFAULTS).filter(field => a?.[field] !== b[field]);
    k.reported = (k.reported ?? []).filter(r => now - r.at < ECHO_MS);
    const echo = k.reported.findIndex(r => !differs(r, asked).length);
    if (echo >= 0) k.reported.splice(0, echo + 1);
    else {
      const anew = differs(k.asked, asked);
      for (const field of anew) k[field] = asked[field];
      if (anew.includes("window")) this.setWindow(windowOf(asked.window, this.layer.R, this.across) ?? null);
    }
    k.asked = asked;
    const picked = JSON.stringify(head.picked ?? null);
    if (picked !== k.askedPick && head.picked !== undefined && !(k.sentPicks ?? []).includes(picked)) k.picked = head.picked;
    k.sentPicks = (k.sentPicks ?? []).filter(p => p !== picked);
    k.askedPick = picked;
  }

  get mode() { return this.layer.paired ? this.kept.mode : "after"; }
  get kernelled() { return this.kept.cells === "kernels" && !!this.layer.kernels; }
  get order() { const orders = this.kernelled ? this.layer.kernels : this.layer.orders; return orders[this.kept.order] ?? orders.original; }
  get across() { return this.kernelled ? this.layer.C / this.layer.kernels.original.unit : this.layer.C; }        // cells in a row
  get shaded() { return !!this.kept.shade && !!this.layer.level; }
  get zoomed() { return this.kept.t > 0 || !!this.kept.exact; }

  release() {
    this.alive = false;
    this.listening.abort();
    this.resized.disconnect();
    cancelAnimationFrame(this.frame);
    clearTimeout(this.ahead);
    clearTimeout(this.later);
    this.travel?.stop();
  }

  theme() {
    const page = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim(), known = /^#[0-9a-f]{6}/i.test(page);
    const [r, g, b] = known ? rgb(page) : [255, 255, 255];
    this.dark = 0.299 * r + 0.587 * g + 0.114 * b < 128;
    this.colours = this.layer.head.colours[this.dark ? "dark" : "light"];
    this.ink = inks({ ...this.colours, gap: known ? page : "#ffffff" });
  }

  // Drawing -------------------------------------------------------------------------------------------------------------

  ask() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (!this.alive || !this.stage.clientWidth) return;
    this.travel?.stop();
    this.travel = null;
    const began = performance.now(), g = this.shape = shapeOf(this), { R } = this.layer;
    for (const canvas of [this.cells, this.marks])
      if (canvas.width !== g.width || canvas.height !== g.height) Object.assign(canvas, { width: g.width, height: g.height });
    const ctx = this.cells.getContext("2d", { willReadFrequently: true });
    ctx.clearRect(0, 0, g.width, g.height);
    g.panels.forEach(({ name, x, y, w, h }, n) => {
      if (this.images[n]?.width !== w || this.images[n]?.height !== h) this.images[n] = new ImageData(w, h);
      paint(new Uint32Array(this.images[n].data.buffer), w, h, this.order, R, this.across, g, this.statesOf(name), this.ink, hatch(g.ratio), this.tint(name), this.images[n]);
      ctx.putImageData(this.images[n], x, y);
    });
    this.names.forEach((label, n) => {
      const panel = g.panels[n];
      label.textContent = !panel ? "" : this.layer.paired ? NAMES[panel.name] : "kept weights";
      if (panel) label.style.translate = `${panel.x / g.ratio}px ${(panel.y - g.label) / g.ratio}px`;
    });
    this.marks.classList.toggle("pan", this.zoomed);
    this.marks.style.touchAction = this.zoomed ? "none" : "pan-y";
    drawMarks(this);
    this.say();
    showWindow(this);
    const grouped = this.kept.order === "grouped" && !!this.layer.orders.grouped;
    Object.assign(this.root.dataset, { mode: this.mode, order: grouped ? "grouped" : "original", cells: this.kernelled ? "kernels" : "weights",
      shade: this.shaded ? "on" : "off", window: windowText(this), zoom: this.kept.t.toFixed(3),
      theme: this.dark ? "dark" : "light", drawMs: (performance.now() - began).toFixed(2), draws: +(this.root.dataset.draws ?? 0) + 1 });
  }

  // What a code is drawn as in a panel, and by what opacity a mean level is.
  statesOf(name) {
    const { only } = this.kept;
    return only === null || !this.both ? STATES[name] : STATES[name].map((state, code) => code !== only ? 0 : code === NEVER ? 1 : state);
  }

  tint(name) { return this.shaded && name !== "before" && name !== "left" ? mean => shade(mean, this.layer.head.shades.levels) : null; }

  say() {
    const cell = this.hover ?? this.kept.cursor, text = cell ? cellWords(this.layer, this.order, cell, this.shaded) : wholeWords(this.layer, this.shape, this.kept.picked, this);
    if (this.readout.textContent !== text) this.readout.textContent = text;
    drawTip(this);
  }

  mark() {
    if (!this.travel) drawMarks(this);
    this.say();
  }

  // What is asked for ---------------------------------------------------------------------------------------------------

  get both() { return this.mode === "diff" || this.mode === "pair"; }

  setMode(mode) {
    if (!this.layer.paired || mode === this.kept.mode) return;
    Object.assign(this.kept, { mode, only: null });
    this.hover = null;
    this.switched();
  }

  difference() {
    const k = this.kept;
    if (k.mode !== "diff") k.last = k.mode;
    this.setMode(k.mode === "diff" ? k.last ?? "after" : "diff");
  }

  // Weights travel to their new places; whoever asks for less motion sees them there at once.
  setOrder(order) {
    const k = this.kept, from = this.order;
    if (!this.layer.orders[order] || order === k.order) return;
    this.rearrange(() => { k.order = order; });
    if (this.order === from || still() || !this.images.length) return;
    const { shape: g } = this;
    this.marks.getContext("2d").clearRect(0, 0, g.width, g.height);
    this.travel = new Travel(this, from, this.order);
  }

  setCells(cells) {
    const k = this.kept, was = this.across;
    if (!this.layer.kernels || cells === k.cells) return;
    this.rearrange(() => {
      k.cells = cells;
      const share = this.across / was, box = k.exact;
      k.cx *= share;
      if (box) this.frameOn({ ...box, j0: Math.floor(box.j0 * share), j1: Math.ceil(box.j1 * share) });
    });
  }

  setShade(on) {
    if (on === !!this.kept.shade) return;
    this.kept.shade = on;
    this.switched();
  }

  // The cursor stays on its weight.
  rearrange(act) {
    const k = this.kept, cell = k.cursor && this.order.cell(k.cursor.i, k.cursor.j);
    act();
    if (cell) k.cursor = this.place(cell.r, cell.c);
    this.hover = null;
    this.switched();
  }

  switched() {
    controls(this);
    this.draw();
    this.tell();
  }

  // The page hears what is shown, where it listens.
  tell() {
    clearTimeout(this.later);
    const { layer: { head }, kept: k } = this;
    if (!head.reports || !this.shape) return;
    const now = { ...asking(k), window: windowText(this) };
    k.window = now.window;
    k.reported.push({ ...now, at: performance.now() });
    this.send("view", { layer: head.layer, ...now });
  }

  tellSoon() {
    clearTimeout(this.later);
    this.later = setTimeout(() => { if (this.alive && windowText(this) !== this.kept.window) this.tell(); }, SETTLED_MS);
  }

  showOnly(code) {
    this.kept.only = this.kept.only === code ? null : code;
    controls(this);
    this.draw();
  }

  zoomBy(step, about) { this.zoomTo(this.kept.t + step, about); }

  // about: device pixels {x, y} inside a panel that stay over their weight; else the cursor comes to the middle, or the middle stays.
  zoomTo(t, about = null) {
    const k = this.kept, g = this.shape;
    k.exact = null;
    k.t = t < 1e-6 ? 0 : Math.min(1, t);
    const next = shapeOf(this);
    if (about) this.panTo(g.x0 + about.x * g.perX + next.seenX / 2 - about.x * next.perX, g.y0 + about.y * g.perY + next.seenY / 2 - about.y * next.perY);
    else if (k.cursor) this.panTo(k.cursor.j + 0.5, k.cursor.i + 0.5);
    else this.panTo(k.cx, k.cy);
  }

  panTo(cx, cy) {
    const k = this.kept, { exact } = k;
    Object.assign(k, { cx, cy });
    if (exact) {
      const { i0, i1, j0, j1 } = exact, across = j1 - j0, down = i1 - i0, into = (x, most) => Math.max(0, Math.min(most, x));
      const j = into(cx - across / 2, this.across - across), i = into(cy - down / 2, this.layer.R - down);
      k.exact = { i0: i, i1: i + down, j0: j, j1: j + across };
    }
    const g = shapeOf(this);                                 // where the middle can really be
    Object.assign(k, { cx: g.x0 + g.seenX / 2, cy: g.y0 + g.seenY / 2 });
    this.hover = null;
    this.tellSoon();
    this.ask();
  }

  // box {i0, i1, j0, j1} of places, null: the whole layer. Zooming goes on from about as near.
  setWindow(box) {
    const k = this.kept;
    if (!box) Object.assign(k, { exact: null, t: 0 });
    else this.frameOn(box);
    this.hover = null;
    if (this.shape) this.draw();
  }

  frameOn(box) {
    Object.assign(this.kept, { exact: box, cx: (box.j0 + box.j1) / 2, cy: (box.i0 + box.i1) / 2 });
    this.kept.t = nearness(this);
  }

  point(cell) {
    const h = this.hover;
    if (h?.i === cell?.i && h?.j === cell?.j && h?.panel === cell?.panel) return;
    this.hover = cell;
    this.mark();
  }

  // The first key shows the cursor where one looks; it never leaves the picture.
  moveCursor(di, dj) {
    const k = this.kept, g = this.shape, { layer: { R }, across: C } = this, inside = (x, most) => Math.max(0, Math.min(most, x));
    k.cursor = k.cursor ? { i: inside(k.cursor.i + di, R - 1), j: inside(k.cursor.j + dj, C - 1) } : { i: Math.floor(g.y0), j: Math.floor(g.x0) };
    this.hover = null;
    const into = (x, start, seen) => Math.max(x + 1 - seen, Math.min(x, start));
    const x0 = into(k.cursor.j, g.x0, g.seenX), y0 = into(k.cursor.i, g.y0, g.seenY);
    if (x0 !== g.x0 || y0 !== g.y0) this.panTo(x0 + g.seenX / 2, y0 + g.seenY / 2);
    else this.mark();
  }

  // kind: "row", "column", "block", or "auto": the block where there are several, else the row. Twice the same: nothing is selected.
  pick(kind, { i, j }) {
    const { r: row, c: column } = this.order.cell(i, j), unit = this.order.unit ?? 1, was = this.kept.picked;
    let block = -1;
    for (let k = 0; k < unit && block < 0; k++) block = this.layer.blockAt(row, column + k);
    if (kind === "auto") kind = block >= 0 && this.layer.blocks.length > 1 ? "block" : "row";
    const same = was?.kind === kind && { row: was.row === row, column: was.column === column, block: was.block === block }[kind];
    this.choose(same ? null : { kind, row, column, block });
  }

  choose(picked) {
    const k = this.kept;
    k.picked = picked;
    (k.sentPicks ??= []).push(JSON.stringify(picked && plainly(picked, this.layer)));     // as a page that keeps it in its address hands it in
    if (k.sentPicks.length > 8) k.sentPicks.shift();
    this.mark();
    this.send("select", picked && { layer: this.layer.head.layer, ...picked });
  }

  forget() {
    this.kept.cursor = null;
    if (this.kept.picked) this.choose(null);
    else this.mark();
  }

  place(row, column) {
    const i = this.order.rowAt[row];
    return { i, j: this.order.bands[this.order.bandOf[i]].colAt[column] };
  }
}
