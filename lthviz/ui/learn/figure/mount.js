// The figure: its controls, its matrices, its drawing and its sentence. Streamlit calls the default export anew on every change of data or theme.
const figures = new WeakMap();

export default ({ data, parentElement, setTriggerValue }) => {
  let figure = figures.get(parentElement);
  if (!figure?.alive || figure.key !== data.key) {
    const places = figure?.key === data.key ? figure.places : undefined;
    figure?.release();
    figures.set(parentElement, figure = new Figure(parentElement, data.key, places));
  }
  return figure.update(data, setTriggerValue);
};

class Figure {
  // places: where each control stands, by its name; it is the reader's and outlives a rerun.
  constructor(parent, key, places = new Map()) {
    Object.assign(this, { key, places, alive: true, calls: 0, grids: [], controls: [] });
    this.root = parent.querySelector(".lf");
    for (const part of ["controls", "cells", "matrices", "legend", "read", "said", "room", "rem"]) this[`${part}Box`] = this.root.querySelector(`.${part}`);
    this.drawing = new Drawing(this.root.querySelector(".drawing"));
    this.listening = new AbortController();
    const on = (target, type, act, more = {}) => target.addEventListener(type, act, { signal: this.listening.signal, ...more });
    on(window, "keydown", e => this.keys(e), { capture: true });
    on(this.matricesBox, "click", e => this.at(e, (grid, cell) => { grid.rove(cell); grid.pick(cell); }));
    on(this.matricesBox, "focusin", e => this.at(e, (grid, cell) => { grid.rove(cell); this.point(cell); }));
    on(this.matricesBox, "pointerover", e => this.at(e, (_, cell) => this.point(cell)));
    for (const type of ["focusout", "pointerleave"]) on(this.matricesBox, type, () => this.point(null));
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(this.root);
    this.sized.observe(this.remBox);                       // the page's letters: larger in presenter mode
  }

  update(data, send) {
    const call = ++this.calls;
    if (data !== this.data) this.load(data);
    this.send = send;
    this.theme();
    this.resize();
    return () => { if (call === this.calls) this.release(); };
  }

  release() {
    this.alive = false;
    this.listening.abort();
    this.sized.disconnect();
  }

  load(data) {
    const was = this.data;
    this.data = data;
    this.asked?.removeAttribute("data-asked");
    const { controls, matrices, pool, frames } = data;
    if (JSON.stringify(controls) !== JSON.stringify(was?.controls)) this.control(controls);
    const built = m => JSON.stringify({ ...m, numbers: !!m.numbers, levels: 0 });
    if (was && matrices.length === this.grids.length && matrices.every((m, i) => built(m) === built(was.matrices[i]))) this.grids.forEach((g, i) => g.values(matrices[i]));
    else {
      this.grids = matrices.map((m, i) => new Grid(this, m, i));
      this.matricesBox.replaceChildren(...this.grids.map(g => g.section));
    }
    this.drawing.forget(pool);
    this.measured = "";
    const codes = new Set(frames.flatMap(f => f.pictures.flatMap(p => [...new Set(pool[p.codes])])));
    this.legendBox.replaceChildren(...codes.size < 2 ? [] : [...codes].sort().map(code => {
      const item = make("span", "item", "", { role: "listitem" });
      item.append(make("i", `cell s${code}`, "", { "aria-hidden": "true" }), matrices[0].states[code]);
      return item;
    }));
    this.legendBox.hidden = codes.size < 2;
    this.cellsBox.hidden = !matrices.length;
    this.roomBox.textContent = frames.map(f => pool[f.said]).reduce((a, b) => b.length > a.length ? b : a, "");     // holds the place, so that nothing below moves
    if (!this.pointed) this.point(null);
  }

  control(controls) {
    for (const c of controls) this.places.set(c.name, Math.min(this.places.get(c.name) ?? c.start, c.texts.length - 1));
    this.controls = controls.map(c => KINDS[c.kind](c, place => this.turn(c, place)));
    this.controlsBox.replaceChildren(...this.controls.map(c => c.element));
    this.controlsBox.hidden = !controls.length;
  }

  // True where there was such a place to go to.
  turn(control, place) {
    if (place < 0 || place >= control.texts.length) return false;
    if (this.places.get(control.name) !== place) {
      this.places.set(control.name, place);
      this.draw();
    }
    return true;
  }

  theme() {
    const page = getComputedStyle(this.root).getPropertyValue("--st-background-color").trim(), [r, g, b] = /^#[0-9a-f]{6}/i.test(page)
      ? [1, 3, 5].map(i => parseInt(page.slice(i, i + 2), 16)) : [255, 255, 255];
    this.root.dataset.theme = 0.299 * r + 0.587 * g + 0.114 * b < 128 ? "dark" : "light";
  }

  // Sizes of everything, by the room there is. One size of cells for all matrices: side by side where they stay readable, else one under the other.
  resize() {
    const room = this.root.clientWidth, rem = this.remBox.getBoundingClientRect().width;
    if (!this.alive || !room || !rem) return;
    const { data } = this, presented = getComputedStyle(this.root).getPropertyValue("--lthviz-tools").trim() === "none", size = `${room} ${rem} ${presented && innerHeight}`;
    if (size !== this.measured) {
      this.measured = size;                                // what is measured with the canvas is as wide as the page's letters
      const ctx = (Figure.ruler ??= document.createElement("canvas").getContext("2d")), narrow = room < 30 * rem;
      const wide = presented && room > 46 * rem && data.frames.some(f => "drawing" in f) ? room - 24 * rem : room;     // on a slide, a drawing stands beside the cells
      ctx.font = `${0.8125 * rem}px ${getComputedStyle(this.root).fontFamily}`;
      this.grids.forEach((g, i) => g.measure(data.frames.map(f => f.pictures[i]), data.pool, rem, t => ctx.measureText(t).width * 1.04, narrow));
      this.root.classList.toggle("presented", presented);
      this.root.classList.toggle("brief", data.controls.some(c => c.kind === "steps" && c.texts.reduce((sum, t) => sum + 1.12 * ctx.measureText(t).width + 2.25 * rem, 5.5 * rem) > room));
      const between = 1.75 * rem, columns = this.grids.map(g => g.m.shape[1]), sum = list => list.reduce((a, b) => a + b, 0);
      const sides = this.grids.map(g => g.left + g.right), most = Math.max(...columns.map((_, i) => this.grids[i].m.numbers ? 3.5 * rem : 1.75 * rem));
      const beside = (wide - sum(sides) - between * (columns.length - 1)) / sum(columns), below = Math.min(...columns.map((n, i) => (wide - sides[i]) / n));
      const stacked = columns.length > 1 && beside < Math.min(below, (presented && !this.grids.some(g => g.m.numbers) ? 1.4 : 2.25) * rem);     // a slide has no room for two heights
      const pitch = Math.min(most, Math.max(3, stacked ? below : beside));
      this.matricesBox.classList.toggle("stacked", stacked);
      this.root.classList.add("still");                    // no gliding when only the room has changed
      this.grids.forEach(g => g.layout(pitch >= 10 ? Math.floor(pitch) : pitch, rem, presented ? 0.4 * innerHeight / (stacked ? columns.length : 1) : Infinity));
    }
    this.drawing.size();
    this.draw();
    requestAnimationFrame(() => requestAnimationFrame(() => this.root.classList.remove("still")));
  }

  get place() { return this.data.controls.reduce((at, c) => at * c.texts.length + this.places.get(c.name), 0); }

  draw() {
    const began = performance.now(), { frames, pool, controls } = this.data, at = this.place, frame = frames[at];
    this.controls.forEach((c, i) => c.mark(this.places.get(controls[i].name)));
    this.grids.forEach((g, i) => g.draw(frame.pictures[i], pool));
    this.drawing.show(pool[frame.drawing] ?? "", pool[frame.alt]);
    write(this.saidBox, pool[frame.said]);
    if (this.pointed) this.point(this.pointed);
    const { dataset } = this.root;
    Object.assign(dataset, { frame: at, draws: +(dataset.draws ?? 0) + 1, drawMs: (performance.now() - began).toFixed(2) });
  }

  // Pointed at, and keys ------------------------------------------------------------------------------------------------

  at(e, act) {
    const cell = e.target.closest?.(".grid .cell"), grid = cell && this.grids.find(g => g.grid.contains(cell));
    if (grid) act(grid, cell);
  }

  point(cell) {
    this.pointed = cell;
    const rest = this.grids.some(g => g.m.editable) ? "Click a cell to change it." : this.grids.some(g => g.tiny && g.m.numbers) ? "Tap a cell to read its number." : "";
    write(this.readBox, cell?.label ?? rest);
  }

  // Before the page's own shortcuts: ← and → go through the steps, and only past the last of them to another chapter.
  keys(e) {
    const path = e.composedPath();
    if (!this.root.isConnected || e.defaultPrevented) return;
    if (path.includes(this.root)) {
      const cell = path.find(x => x.classList?.contains("cell")), grid = cell && this.grids.find(g => g.grid.contains(cell));
      if (grid && !e.altKey && !e.metaKey && grid.key(e, cell)) { e.preventDefault(); e.stopImmediatePropagation(); }
      else if (path[0].type === "range" && /^(Arrow|Page|Home|End)/.test(e.key)) e.stopImmediatePropagation();     // the browser moves it, and the page is not turned
      if (grid || path[0].type === "range") return;
    }
    const way = { ArrowLeft: -1, ArrowRight: 1 }[e.key], control = this.data.controls.find(c => c.kind === "steps");
    if (!way || !control || !plainKey(e) || busy(e)) return;
    if (this.turn(control, this.places.get(control.name) + way) || e.repeat) { e.preventDefault(); e.stopImmediatePropagation(); }     // a key that is held does not leave the chapter
  }
}
