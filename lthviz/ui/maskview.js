// The mask view: what is shown, and what hands do to it. Cells come from maskview_cells.js, pixels from maskview_paint.js;
// the three files are joined into one module, whose default export Streamlit calls on every change of data or theme.
const MODES = { before: "Before", after: "After", pair: "Both", diff: "Difference" };
const STATES = { after: [0, 1, 0, 1], before: [0, 0, 1, 1], diff: [0, 2, 3, 1], pairBefore: [0, 0, 3, 1], pairAfter: [0, 2, 0, 1] };
const PANELS = { before: ["before"], after: ["after"], diff: ["diff"], pair: ["pairBefore", "pairAfter"] };
const NAMES = { before: "before", after: "after", diff: "before → after", pairBefore: "before", pairAfter: "after" };
const LABEL = 20, GAP = 20, LARGEST = 28, FIT_LARGEST = 24, NARROW = 640;            // css pixels
const mounted = new WeakMap();

export default function ({ data, parentElement, setStateValue }) {
  let view = mounted.get(parentElement);
  if (!view?.alive) mounted.set(parentElement, view = new MaskView(parentElement, view?.kept));
  return view.update(data, setStateValue);
}

class MaskView {
  constructor(parent, kept) {
    const find = name => parent.querySelector(`.${name}`);
    Object.assign(this, { alive: true, calls: 0, host: parent.host ?? parent, root: find("mv"), stage: find("stage"), cells: find("cells"),
      marks: find("marks"), read: find("read"), legend: find("legend"), hint: find("hint"), title: find("title"), names: [...parent.querySelectorAll(".name")],
      modes: find("modes"), orders: find("orders"), zoom: find("zoom") });
    this.kept = kept ?? { layer: null, mode: "after", order: "original", t: 0, cx: 0, cy: 0, only: null, cursor: null, picked: null };
    this.hover = null;
    this.listening = new AbortController();
    this.buttons();
    this.listen();
    this.seen = new ResizeObserver(() => this.draw());      // at once: a frame later would show stretched cells
    this.seen.observe(this.stage);
  }

  // Streamlit: new data, or only a new theme. Returns what undoes the latest call.
  update(bytes, setStateValue) {
    const call = ++this.calls;
    this.send = setStateValue;
    if (!(bytes instanceof Uint8Array)) throw new Error("the mask view takes one byte string");
    if (bytes !== this.bytes) {
      const layer = readLayer(bytes), k = this.kept, { head } = layer;
      this.bytes = bytes;
      if (this.layer?.head.digest !== head.digest) this.layer = layer;
      else this.layer.head = head;
      if (k.layer !== head.layer || k.size !== `${layer.R}×${layer.C}`)
        Object.assign(k, { layer: head.layer, size: `${layer.R}×${layer.C}`, t: 0, cx: layer.C / 2, cy: layer.R / 2, only: null, cursor: null, picked: null });
      if (k.asked !== head.mode) k.mode = k.asked = head.mode;                     // Python asks anew, or the reader's choice stays
      if (k.askedOrder !== head.order) k.order = k.askedOrder = head.order;
      if (!head.paired) k.mode = "after";
      if (!layer.orders[k.order]) k.order = "original";
      this.hover = null;
      this.stage.style.height = `${head.height}px`;
      this.title.textContent = head.title;
      this.marks.setAttribute("aria-label", head.spoken);
    }
    this.theme();
    this.controls();
    this.draw();
    return () => { if (call === this.calls) this.release(); };
  }

  release() {
    this.alive = false;
    this.listening.abort();
    this.seen.disconnect();
    cancelAnimationFrame(this.frame);
  }

  theme() {
    const css = getComputedStyle(this.root), [r, g, b] = css.getPropertyValue("--st-background-color").trim().startsWith("#")
      ? rgb(css.getPropertyValue("--st-background-color").trim()) : [255, 255, 255];
    this.dark = 0.299 * r + 0.587 * g + 0.114 * b < 128;
    const colours = this.layer.head.colours[this.dark ? "dark" : "light"];
    this.ink = inks({ ...colours, gap: css.getPropertyValue("--st-background-color").trim() || "#ffffff" });
    this.lineColour = colours.text;
    this.accent = colours.accent;
  }

  // Geometry, in device pixels ------------------------------------------------------------------------------------------

  panels() {
    const ratio = window.devicePixelRatio || 1, width = Math.round(this.stage.clientWidth * ratio), height = Math.round(this.stage.clientHeight * ratio);
    const names = PANELS[this.kept.mode], label = Math.round(LABEL * ratio), gap = Math.round(GAP * ratio);
    const across = names.length > 1 && this.stage.clientWidth >= NARROW;
    const w = across ? Math.floor((width - gap) / 2) : width;
    const h = names.length > 1 && !across ? Math.floor((height - 2 * label - gap / 2) / 2) : height - label;
    const { R, C } = this.layer, k = this.kept;
    const axis = (room, cells, centre) => {
      const fit = Math.min(room / cells, FIT_LARGEST * ratio), cell = fit ** (1 - k.t) * Math.max(fit, LARGEST * ratio) ** k.t;
      const size = Math.max(1, Math.min(room, Math.round(cells * cell))), per = k.t === 0 ? cells / size : 1 / cell, seen = size * per;
      return { size, per, start: Math.max(0, Math.min(cells - seen, centre - seen / 2)), seen };
    };
    const x = axis(w, C, k.cx), y = axis(h, R, k.cy);
    const panels = names.map((name, i) => ({ name, w: x.size, h: y.size, x: (across ? i * (w + gap) : 0), labelY: across ? 0 : i * (label + h + gap / 2),
      y: Math.round(label + (across ? 0 : i * (h + label + gap / 2))) }));
    return { panels, width, height, ratio, x0: x.start, y0: y.start, perX: x.per, perY: y.per, seenX: x.seen, seenY: y.seen };
  }

  // The cell under a pointer, or null: place {i, j} and how many cells its pixel covers.
  at(event) {
    const box = this.marks.getBoundingClientRect(), g = this.shape;
    if (!g) return null;
    const px = Math.floor((event.clientX - box.left) * g.ratio), py = Math.floor((event.clientY - box.top) * g.ratio);
    for (const panel of g.panels) {
      const x = px - panel.x, y = py - panel.y;
      if (x < 0 || y < 0 || x >= panel.w || y >= panel.h) continue;
      const span = (p, start, per, size) => {
        if (per <= 1) { const c = Math.min(size - 1, Math.floor(start + (p + 0.5) * per + 1e-9)); return [c, c + 1]; }
        return [Math.floor(start + p * per + 1e-9), Math.min(size, Math.floor(start + (p + 1) * per + 1e-9))];
      };
      const [j, j1] = span(x, g.x0, g.perX, this.layer.C), [i, i1] = span(y, g.y0, g.perY, this.layer.R);
      return { i, j, i1, j1, panel };
    }
    return null;
  }

  // Drawing -------------------------------------------------------------------------------------------------------------

  ask() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    if (!this.alive || !this.layer || !this.stage.clientWidth) return;
    const began = performance.now(), g = this.shape = this.panels(), k = this.kept, { R, C } = this.layer;
    if (this.cells.width !== g.width || this.cells.height !== g.height)
      for (const canvas of [this.cells, this.marks]) { canvas.width = g.width; canvas.height = g.height; }
    const ctx = this.cells.getContext("2d", { willReadFrequently: true });
    ctx.clearRect(0, 0, g.width, g.height);
    const codes = this.layer.orders[k.order].codes();
    g.panels.forEach(({ name, x, y, w, h }, n) => {
      this.images ??= [];
      if (this.images[n]?.width !== w || this.images[n]?.height !== h) this.images[n] = new ImageData(w, h);
      let states = STATES[name];
      if (k.only !== null && STATES[k.mode === "pair" ? "diff" : k.mode] && (k.mode === "diff" || k.mode === "pair"))
        states = states.map((s, code) => code === k.only ? (code === NEVER ? 1 : s) : 0);
      const out = new Uint32Array(this.images[n].data.buffer);
      paint(out, w, h, codes, R, C, { x0: g.x0, y0: g.y0, perX: g.perX, perY: g.perY }, states, this.ink, Math.max(2, Math.round(2 * g.ratio)));
      ctx.putImageData(this.images[n], x, y);
    });
    this.names.forEach((label, n) => {
      const panel = g.panels[n];
      label.textContent = !panel ? "" : this.layer.paired ? NAMES[panel.name] : "kept weights";
      if (panel) { label.style.left = `${panel.x / g.ratio}px`; label.style.top = `${panel.labelY / g.ratio}px`; }
    });
    this.marks.classList.toggle("pan", k.t > 0);
    this.marks.style.touchAction = k.t > 0 ? "none" : "pan-y";
    this.drawMarks();
    this.say();
    Object.assign(this.root.dataset, { mode: k.mode, order: k.order, zoom: k.t.toFixed(3), theme: this.dark ? "dark" : "light",
      drawMs: (performance.now() - began).toFixed(2), draws: +(this.root.dataset.draws ?? 0) + 1 });
  }

  // Outlines of blocks, what is picked, the cursor, and where in the layer one is.
  drawMarks() {
    const g = this.shape, k = this.kept, order = this.layer.orders[k.order], ctx = this.marks.getContext("2d"), one = g.ratio;
    ctx.clearRect(0, 0, g.width, g.height);
    for (const panel of g.panels) {
      const X = j => panel.x + (j - g.x0) / g.perX, Y = i => panel.y + (i - g.y0) / g.perY;
      const frame = (i0, i1, j0, j1, grow) => ctx.strokeRect(X(j0) - grow, Y(i0) - grow, Math.max(one, X(j1) - X(j0)) + 2 * grow, Math.max(one, Y(i1) - Y(i0)) + 2 * grow);
      ctx.save();
      ctx.beginPath(); ctx.rect(panel.x - 2 * one, panel.y - 2 * one, panel.w + 4 * one, panel.h + 4 * one); ctx.clip();
      ctx.strokeStyle = this.lineColour;
      order.boxesOf().forEach(box => {
        if (!box || (box.i1 - box.i0) / g.perY < 3 * one) return;
        ctx.lineWidth = 1.5 * one;
        frame(box.i0, box.i1, box.j0, box.j1, 0);
      });
      ctx.strokeStyle = this.accent;
      ctx.lineWidth = 2 * one;
      if (k.picked) for (const [i0, i1, j0, j1] of this.extent(k.picked, order)) frame(i0, i1, j0, j1, one);
      for (const cell of [k.cursor, this.hover]) if (cell) {
        ctx.strokeStyle = cell === this.hover ? this.lineColour : this.accent;
        const small = 3 * one, grow = Math.max(one, (small - 1 / g.perX) / 2);
        frame(cell.i, cell.i1 ?? cell.i + 1, cell.j, cell.j1 ?? cell.j + 1, grow);
      }
      ctx.restore();
      if (k.t > 0) {
        ctx.fillStyle = this.lineColour;
        ctx.globalAlpha = 0.55;
        const { R, C } = this.layer, bar = 3 * one;
        if (g.seenX < C) ctx.fillRect(panel.x + panel.w * g.x0 / C, panel.y + panel.h - bar, Math.max(bar, panel.w * g.seenX / C), bar);
        if (g.seenY < R) ctx.fillRect(panel.x + panel.w - bar, panel.y + panel.h * g.y0 / R, bar, Math.max(bar, panel.h * g.seenY / R));
        ctx.globalAlpha = 1;
      }
    }
  }

  // Rectangles [i0, i1, j0, j1] of what is picked: a row, a column in every band, a block (its rows and columns where it is torn apart).
  extent({ kind, row, column, block }, order) {
    const { R, C, blocks } = this.layer;
    if (kind === "row") return [[order.rowAt[row], order.rowAt[row] + 1, 0, C]];
    if (kind === "column") return order.bands.map(band => [band.start, band.stop, band.colAt[column], band.colAt[column] + 1]);
    const box = order.boxesOf()[block];
    return box ? [[box.i0, box.i1, box.j0, box.j1]] : Array.from(blocks[block].rows, r => [order.rowAt[r], order.rowAt[r] + 1, 0, C]);
  }

  // Words ---------------------------------------------------------------------------------------------------------------

  say() {
    const text = this.words();
    if (this.read.textContent !== text) this.read.textContent = text;
  }

  words() {
    const g = this.shape, k = this.kept, cell = this.hover ?? k.cursor, layer = this.layer, order = layer.orders[k.order];
    if (!cell) {
      const { head, R, C } = layer, per = Math.max(1, g.perX) * Math.max(1, g.perY);
      const cols = head.kernel ? `${C.toLocaleString("en")} weights each (${head.kernel.join(" × ")})` : `${C.toLocaleString("en")} columns`;
      return `${R.toLocaleString("en")} output channels, top to bottom; ${cols}, left to right. One pixel = ${per < 1.05 ? "1 weight" : `about ${per < 10 ? per.toFixed(1) : Math.round(per)} weights`}.`
        + (k.picked ? ` Selected: ${this.pickedName()}.` : "");
    }
    const i1 = cell.i1 ?? cell.i + 1, j1 = cell.j1 ?? cell.j + 1, n = (i1 - cell.i) * (j1 - cell.j);
    if (n === 1) {
      const { r, c } = order.cell(cell.i, cell.j), code = layer.code[r * layer.C + c], b = blockAt(layer, r, c);
      return `${cellName(layer, r, c)} · ${this.stateName(code)}` + (b >= 0 ? ` · block ${b + 1} of ${layer.blocks.length}` : layer.blocks.length ? " · in no block" : "");
    }
    const counts = [0, 0, 0, 0], codes = order.codes();
    for (let i = cell.i; i < i1; i++) for (let j = cell.j; j < j1; j++) counts[codes[i * layer.C + j]]++;
    const rows = Array.from({ length: i1 - cell.i }, (_, d) => order.rows[cell.i + d]), first = order.cell(cell.i, cell.j).c, last = order.cell(i1 - 1, j1 - 1).c;
    const cols = j1 - cell.j === 1 ? `column ${first}` : k.order === "original" ? `columns ${first}–${last}` : `${j1 - cell.j} columns (places ${cell.j}–${j1 - 1})`;
    const parts = layer.paired ? [[KEPT, "kept"], [ADDED, "added"], [REMOVED, "removed"], [NEVER, "never there"]] : [[KEPT, "kept"], [NEVER, "pruned"]];
    const found = parts.filter(([code]) => counts[code]).map(([code, name]) => `${counts[code]} ${name}`).join(", ");
    return `output channel${rows.length > 1 ? "s" : ""} ${rows.length > 3 ? `${rows[0]} and ${rows.length - 1} more` : rows.join(", ")}, ${cols} · one pixel = ${n} weights: ${found}`;
  }

  stateName(code) {
    if (!this.layer.paired) return code ? "kept" : "pruned";
    return ["never there (neither before nor after)", "added (not before, there after)", "removed (there before, not after)", "kept (before and after)"][code];
  }

  pickedName() {
    const { kind, row, column, block } = this.kept.picked, b = this.layer.blocks[block];
    if (kind === "block") return `block ${block + 1}, ${b.rows.length} output channels × ${b.cols.length} columns`;
    return kind === "row" ? `output channel ${row}` : `column ${column}`;
  }

  // Controls ------------------------------------------------------------------------------------------------------------

  buttons() {
    const button = (parent, text, label, act) => {
      const b = parent.appendChild(document.createElement("button"));
      b.type = "button"; b.textContent = text; b.title = label;
      if (text.length < 2) b.setAttribute("aria-label", label);
      b.addEventListener("click", act, { signal: this.listening.signal });
      return b;
    };
    for (const group of [this.modes, this.orders, this.zoom]) group.replaceChildren();
    this.modeButtons = Object.entries(MODES).map(([mode, text]) => [mode, button(this.modes, text, mode === "diff" ? "Difference (D)" : text, () => this.setMode(mode))]);
    this.orderButtons = [["original", "Original", "As the network stores it (G)"], ["grouped", "Grouped", "Rows of a block together, its columns first in each band (G)"]]
      .map(([order, text, label]) => [order, button(this.orders, text, label, () => this.setOrder(order))]);
    this.zoomButtons = [["−", "Zoom out", () => this.zoomBy(-0.12)], ["+", "Zoom in", () => this.zoomBy(0.12)], ["Fit", "Show the whole layer (0)", () => this.zoomTo(0)]]
      .map(([text, label, act]) => button(this.zoom, text, label, act));
  }

  controls() {
    const k = this.kept, { paired, orders, counts, R, C } = this.layer;
    this.modes.hidden = !paired;
    this.orders.hidden = !orders.grouped;
    for (const [mode, b] of this.modeButtons) b.setAttribute("aria-pressed", mode === k.mode);
    for (const [order, b] of this.orderButtons) b.setAttribute("aria-pressed", order === k.order);
    const isolating = k.mode === "diff" || k.mode === "pair", total = R * C;
    const rows = isolating ? [["kept", KEPT, counts[KEPT]], ["added", ADDED, counts[ADDED]], ["removed", REMOVED, counts[REMOVED]], ["never there", NEVER, counts[NEVER]]]
      : k.mode === "before" ? [["kept before", KEPT, counts[KEPT] + counts[REMOVED]], ["pruned", NEVER, counts[NEVER] + counts[ADDED]]]
      : [["kept", KEPT, counts[KEPT] + counts[ADDED]], ["pruned", NEVER, counts[NEVER] + counts[REMOVED]]];
    this.legend.classList.toggle("only", isolating && k.only !== null);
    this.legend.replaceChildren(...rows.map(([name, code, n]) => {
      const b = document.createElement("button"), swatch = b.appendChild(document.createElement("canvas")), word = document.createElement("span"), number = document.createElement("b");
      this.swatch(swatch, [0, 2, 3, 1][code]);
      number.textContent = n.toLocaleString("en");
      word.append(`${name} `, number, ` (${(100 * n / total).toFixed(1)} %)`);
      b.append(word);
      b.type = "button";
      b.dataset.state = name;
      b.dataset.count = n;
      b.disabled = !isolating;
      b.title = isolating ? `Show only ${name}; again: all` : "";
      b.setAttribute("aria-pressed", isolating && k.only === code);
      b.onclick = () => { k.only = k.only === code ? null : code; this.controls(); this.draw(); [...this.legend.children].find(x => x.dataset.state === name).focus(); };
      return b;
    }));
  }

  swatch(canvas, state) {
    const ratio = window.devicePixelRatio || 1, size = Math.round(14 * ratio), image = new ImageData(size, size);
    canvas.width = canvas.height = size;
    paint(new Uint32Array(image.data.buffer), size, size, Uint8Array.of(1), 1, 1, { x0: 0, y0: 0, perX: 1 / size, perY: 1 / size }, [0, state], { ...this.ink, gap: this.ink.ink[0][state] }, Math.round(2 * ratio));
    canvas.getContext("2d").putImageData(image, 0, 0);
  }

  setMode(mode) {
    const k = this.kept;
    if (!this.layer.paired || mode === k.mode) return;
    Object.assign(k, { mode, only: null });
    this.changed();
  }

  setOrder(order) {
    const k = this.kept;
    if (!this.layer.orders[order] || order === k.order) return;
    if (k.cursor) {                                    // the cursor stays on its weight
      const { r, c } = this.layer.orders[k.order].cell(k.cursor.i, k.cursor.j), to = this.layer.orders[order], i = to.rowAt[r];
      k.cursor = { i, j: to.bands[to.bandOf[i]].colAt[c] };
    }
    k.order = order;
    this.hover = null;
    this.changed();
  }

  changed() {
    this.controls();
    this.draw();
    if (this.layer.head.reports) this.send("view", { layer: this.layer.head.layer, mode: this.kept.mode, order: this.kept.order });
  }

  zoomBy(step, about = null) { this.zoomTo(this.kept.t + step, about); }

  // t: 0 shows the whole layer, 1 the largest cells. about: device pixels {x, y} inside a panel that keep their cell.
  zoomTo(t, about = null) {
    const k = this.kept, before = this.shape;
    const cell = about ? { x: before.x0 + about.x * before.perX, y: before.y0 + about.y * before.perY }
      : k.cursor ? { x: k.cursor.j + 0.5, y: k.cursor.i + 0.5 } : { x: before.x0 + before.seenX / 2, y: before.y0 + before.seenY / 2 };
    k.t = Math.max(0, Math.min(1, t));
    if (k.t < 1e-6) k.t = 0;
    const after = this.panels();
    k.cx = about ? cell.x + (after.seenX / 2 - about.x * after.perX) : cell.x;
    k.cy = about ? cell.y + (after.seenY / 2 - about.y * after.perY) : cell.y;
    this.settle();
    this.ask();
  }

  // Keep the centre where the view can really be.
  settle() {
    const g = this.panels();
    this.kept.cx = g.x0 + g.seenX / 2;
    this.kept.cy = g.y0 + g.seenY / 2;
  }

  pick(kind, cell) {
    const k = this.kept, { r, c } = this.layer.orders[k.order].cell(cell.i, cell.j), block = blockAt(this.layer, r, c);
    if (kind === "auto") kind = block >= 0 && this.layer.head.groups_shown ? "block" : "row";
    const next = { kind, row: r, column: c, block };
    const same = k.picked?.kind === kind && (kind === "row" ? k.picked.row === r : kind === "column" ? k.picked.column === c : k.picked.block === block);
    k.picked = same ? null : next;
    this.drawMarks();
    this.say();
    this.send("select", k.picked && { layer: this.layer.head.layer, ...k.picked });
  }

  // Hands ---------------------------------------------------------------------------------------------------------------

  listen() {
    const on = (target, type, act, more = {}) => target.addEventListener(type, act, { signal: this.listening.signal, ...more });
    const fingers = new Map();
    let drag = null;
    on(this.marks, "pointerdown", e => {
      if (e.button) return;
      fingers.set(e.pointerId, e);
      const spread = this.spread(fingers);
      drag = { x: e.clientX, y: e.clientY, cx: this.kept.cx, cy: this.kept.cy, moved: false, spread, t: this.kept.t };
      this.marks.setPointerCapture(e.pointerId);
    });
    on(this.marks, "pointermove", e => {
      if (fingers.has(e.pointerId)) fingers.set(e.pointerId, e);
      if (drag && fingers.size === 2) {
        drag.moved = true;
        this.zoomTo(drag.t + Math.log2(this.spread(fingers) / drag.spread) * 0.25);
      } else if (drag && fingers.size === 1) {
        const dx = e.clientX - drag.x, dy = e.clientY - drag.y, g = this.shape;
        drag.moved ||= Math.hypot(dx, dy) > 4;
        if (!drag.moved || !this.kept.t) return;
        this.marks.classList.add("panning");
        this.kept.cx = drag.cx - dx * g.ratio * g.perX;
        this.kept.cy = drag.cy - dy * g.ratio * g.perY;
        this.settle();
        this.hover = null;
        this.ask();
      } else this.point(this.at(e));
    });
    const lift = e => {
      fingers.delete(e.pointerId);
      this.marks.classList.remove("panning");
      if (drag && !drag.moved && e.type === "pointerup") {
        const cell = this.at(e);
        if (cell) this.pick(e.shiftKey ? "column" : e.altKey ? "row" : "auto", cell);
      }
      if (!fingers.size) drag = null;
    };
    on(this.marks, "pointerup", lift);
    on(this.marks, "pointercancel", lift);
    on(this.marks, "pointerleave", () => this.point(null));
    on(this.marks, "wheel", e => {
      if (!e.ctrlKey && !e.metaKey) return this.advise();
      e.preventDefault();
      const cell = this.at(e), box = this.marks.getBoundingClientRect(), g = this.shape;
      const about = cell && { x: (e.clientX - box.left) * g.ratio - cell.panel.x, y: (e.clientY - box.top) * g.ratio - cell.panel.y };
      this.zoomBy(-Math.max(-60, Math.min(60, e.deltaY)) / 800, about);
    }, { passive: false });
    on(this.marks, "keydown", e => this.key(e));
    on(this.marks, "blur", () => this.drawMarks());
    on(document, "keydown", e => {
      const target = e.composedPath()[0];
      if (e.key.toLowerCase() !== "d" || e.ctrlKey || e.metaKey || e.altKey || target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) return;
      this.difference();
    });
  }

  spread(fingers) {
    const [a, b] = [...fingers.values()];
    return b ? Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY)) : 1;
  }

  advise() {
    this.hint.textContent = /Mac|iP/.test(navigator.platform) ? "⌘ and scroll to zoom" : "Ctrl and scroll to zoom";
    this.hint.classList.add("on");
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => this.hint.classList.remove("on"), 1200);
  }

  point(cell) {
    if (this.hover?.i === cell?.i && this.hover?.j === cell?.j) return;
    this.hover = cell;
    this.drawMarks();
    this.say();
  }

  difference() {
    const k = this.kept;
    if (k.mode !== "diff") k.last = k.mode;
    this.setMode(k.mode === "diff" ? k.last ?? "after" : "diff");
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const k = this.kept, { R, C } = this.layer, far = e.shiftKey ? 16 : 1;
    const move = { ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far], Home: [0, -C], End: [0, C], PageUp: [-32, 0], PageDown: [32, 0] }[e.key];
    if (move) {
      const from = k.cursor ?? { i: Math.floor(this.shape.y0), j: Math.floor(this.shape.x0) }, still = k.cursor ? 1 : 0;
      k.cursor = { i: Math.max(0, Math.min(R - 1, from.i + still * move[0])), j: Math.max(0, Math.min(C - 1, from.j + still * move[1])) };
      this.hover = null;
      this.follow();
    } else if (e.key === "+" || e.key === "=") this.zoomBy(0.12);
    else if (e.key === "-" || e.key === "_") this.zoomBy(-0.12);
    else if (e.key === "0") this.zoomTo(0);
    else if (e.key === "Enter" && k.cursor) this.pick(e.shiftKey ? "column" : "auto", k.cursor);
    else if (e.key === "Escape") { k.cursor = null; if (k.picked) this.pick(k.picked.kind, this.place(k.picked)); this.draw(); }
    else if (e.key.toLowerCase() === "d") this.difference();
    else if (e.key.toLowerCase() === "g") this.setOrder(k.order === "original" ? "grouped" : "original");
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  place({ row, column }) {
    const order = this.layer.orders[this.kept.order], i = order.rowAt[row];
    return { i, j: order.bands[order.bandOf[i]].colAt[column] };
  }

  follow() {
    const k = this.kept, g = this.shape, { i, j } = k.cursor, into = (x, start, seen) => Math.max(x + 1 - seen, Math.min(x, start));
    const x0 = into(j, g.x0, g.seenX), y0 = into(i, g.y0, g.seenY);
    if (x0 === g.x0 && y0 === g.y0) { this.drawMarks(); this.say(); return; }
    k.cx = x0 + g.seenX / 2;
    k.cy = y0 + g.seenY / 2;
    this.ask();
  }
}
