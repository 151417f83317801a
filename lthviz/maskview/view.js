// The mask view: what it holds and how it is drawn. The files beside this one hold cells, pixels, words, views, zoom, selection, controls and hands; all
// are joined into one module (payload.py). Streamlit calls its default export (ui/maskview/mount.js) anew on every change of data or theme; a report mounts it itself.
const mounted = new WeakMap();

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
    this.stage.style.height = `${head.height / 16}rem`;                 // larger where the page's letters are
    this.heed(head);
    this.title.textContent = head.title;
    this.marks.setAttribute("aria-label", head.spoken);
  }

  read(head, body) { return readLayer(head, body); }
  heed(head) { heedAsked(this, head); }
  which({ layer, rows, cols }) { return `${layer} ${rows} ${cols}`; }

  get mode() { return this.layer.paired ? this.kept.mode : "after"; }
  get kernelled() { return this.kept.cells === "kernels" && !!this.layer.kernels; }
  get order() { const orders = this.kernelled ? this.layer.kernels : this.layer.orders; return orders[this.kept.order] ?? orders.original; }
  get across() { return this.kernelled ? this.layer.C / this.layer.kernels.original.unit : this.layer.C; }        // cells in a row
  get shaded() { return !!this.kept.shade && !!this.layer.level; }
  get both() { return this.mode === "diff" || this.mode === "pair"; }
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
      paint(new Uint32Array(this.images[n].data.buffer), w, h, this.order, R, this.across, g, this.statesOf(name), this.ink, hatch(g.ratio * g.large), this.tint(name), this.images[n]);
      ctx.putImageData(this.images[n], x, y);
    });
    this.names.forEach((label, n) => {
      const panel = g.panels[n];
      const text = !panel ? "" : this.layer.paired ? NAMES[panel.name] : "kept weights";
      if (label.textContent !== text) label.textContent = text;
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

  // Pointed at, and selected ------------------------------------------------------------------------------------------------

  point(cell) {
    const h = this.hover;
    if (h?.i === cell?.i && h?.j === cell?.j && h?.panel === cell?.panel) return;
    this.hover = cell;
    this.mark();
  }

  choose(picked) {
    const k = this.kept;
    k.picked = picked;
    (k.sentPicks ??= []).push(JSON.stringify(picked && plainly(picked, this.layer)));     // as a page that keeps it in its address hands it in
    if (k.sentPicks.length > 8) k.sentPicks.shift();
    this.mark();
    this.send("select", picked && { layer: this.layer.head.layer, ...picked });
  }
}
