// From one order to another: every weight travels from its old place to its new one, rows and columns at once. A frame is a picture like
// any other, of the places in between: how many weights of each state are over each pixel at that moment.
const TRAVEL_MS = 520;

class Travel {
  constructor(view, from, to) {
    const { R, C } = view.layer;
    Object.assign(this, { view, from, to, began: null, line: new Uint8Array(C), pairs: new Map() });
    this.bandTo = Int32Array.from({ length: R }, (_, i) => to.bandOf[to.rowAt[from.rows[i]]]);
    this.frame = requestAnimationFrame(now => this.step(now));
  }

  step(now) {
    this.began ??= now;
    const t = Math.min(1, (now - this.began) / TRAVEL_MS);
    if (t >= 1 || !this.view.alive) return this.view.draw();                  // which ends the travel
    this.paint(t < 0.5 ? 4 * t ** 3 : 1 - (2 - 2 * t) ** 3 / 2);
    this.frame = requestAnimationFrame(next => this.step(next));
  }

  stop() { cancelAnimationFrame(this.frame); }

  // First and last pixel (excluded) of every place of a row between two bands, at a moment; columns as in `from`.
  across(a, b, t, w) {
    const { from, to, view: { shape: g, layer: { C } } } = this, unit = from.unit ?? 1, key = a * 4096 + b;
    let pair = this.pairs.get(key);
    if (!pair) {
      const source = (from.base ?? from).bands[a].cols, { colAt } = to.bands[b];
      this.pairs.set(key, pair = { goal: Float32Array.from(source, c => colAt[c]), x0: new Int32Array(C), x1: new Int32Array(C), at: -1 });
    }
    if (pair.at !== t) {
      for (let j = 0; j < C; j++) {
        const here = unit > 1 ? j / unit | 0 : j, x = (here + (pair.goal[j] - here) * t - g.x0) / g.perX;
        pair.x0[j] = Math.max(0, Math.round(x));
        pair.x1[j] = Math.min(w, Math.max(Math.round(x) + 1, Math.round(x + 1 / g.perX)));
      }
      pair.at = t;
    }
    return pair;
  }

  paint(t) {
    const began = performance.now(), { view, from, to, line } = this, { shape: g, layer: { R, C, level } } = view, { w, h } = g.panels[0], shaded = view.shaded;
    const fresh = (old, n) => old?.length === n ? old.fill(0) : new Uint16Array(n);
    const sums = this.sums = fresh(this.sums, w * h * 4), levels = this.levels = fresh(this.levels, shaded ? w * h : 0);
    const row = new Uint16Array(w * 4), shades = new Uint16Array(w);
    for (let i = 0; i < R; i++) {
      const y = (i + (to.rowAt[from.rows[i]] - i) * t - g.y0) / g.perY, y0 = Math.max(0, Math.round(y)), y1 = Math.min(h, Math.max(Math.round(y) + 1, Math.round(y + 1 / g.perY)));
      if (y0 >= y1) continue;
      const a = from.bandOf[i], { x0, x1 } = this.across(a, this.bandTo[i], t, w), { cols } = from.bands[a], base = from.rows[i] * C;
      from.line(i, 0, C, line);
      row.fill(0);
      for (let j = 0; j < C; j++) for (let x = x0[j], state = line[j]; x < x1[j]; x++) row[4 * x + state]++;
      for (let v = y0; v < y1; v++) for (let k = 0, s = v * w * 4; k < row.length; k++, s++) sums[s] += row[k];
      if (!shaded) continue;
      shades.fill(0);
      for (let j = 0; j < C; j++) for (let x = x0[j]; x < x1[j]; x++) shades[x] += level[base + cols[j]];
      for (let v = y0; v < y1; v++) for (let k = 0, s = v * w; k < w; k++, s++) levels[s] += shades[k];
    }
    g.panels.forEach((panel, n) => this.colour(panel, view.images[n]));
    Object.assign(view.root.dataset, { travelMs: (performance.now() - began).toFixed(2), travels: +(view.root.dataset.travels ?? 0) + 1 });
  }

  colour({ name, w, h, x: left, y: top }, image) {
    image.seen = null;
    const { view, sums, levels } = this, out = new Uint32Array(image.data.buffer), phase = phases(w + h, hatch(view.shape.ratio), 0);
    const states = view.statesOf(name), tint = view.tint(name), find = remembered(mixer(states, view.ink, tint)), paper = pixel(view.ink.paper);
    for (let y = 0, k = 0, s = 0; y < h; y++) for (let x = 0; x < w; x++, k++, s += 4) {
      const all = sums[s] + sums[s + 1] + sums[s + 2] + sums[s + 3];
      const n = Math.min(FIELD, sums[s + 1]) | Math.min(FIELD, sums[s + 2]) << 10 | Math.min(FIELD, sums[s + 3]) << 20;
      out[k] = all ? find(n, all << 1 | phase[x + y], tint ? levels[k] : 0) : paper;
    }
    view.cells.getContext("2d").putImageData(image, left, top);
  }
}

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
