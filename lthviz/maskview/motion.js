// From one order to another: every weight travels from its old place to its new one, rows and columns at once. A frame is a picture like
// any other, of the places in between: how many weights of each state are over each pixel at that moment.
//
// A frame must be drawn before the next is due. Where one took too long, the next ones count every second, then every fourth weight of a row
// (another one in each row, and only where a pixel covers as many), and have larger pixels. What arrives is exact.
const TRAVEL_MS = 520;
const COUNT_MS = 9, COLOUR_MS = 9;         // that a frame may take at most: of 33, the browser's own painting takes about a third
const COARSEST = 4;                        // device pixels

class Travel {
  constructor(view, from, to) {
    const { R, C } = view.layer;
    Object.assign(this, { view, from, to, began: null, line: new Uint8Array(C), pairs: new Map(), coarse: 1, every: 1 });
    if (R * C > 300_000 || view.shape.width * view.shape.height > 800_000) this.coarse = 2;
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
  across(a, b, t, w, perX) {
    const { from, to, view: { shape: g, layer: { C } } } = this, unit = from.unit ?? 1, key = a * 4096 + b;
    let pair = this.pairs.get(key);
    if (!pair) {
      const source = from.bands[a].cols, { colAt } = to.bands[b];
      this.pairs.set(key, pair = { goal: Float32Array.from(source, c => colAt[c]), x0: new Int32Array(C), x1: new Int32Array(C), at: -1 });
    }
    if (pair.at !== t) {
      for (let j = 0; j < C; j++) {
        const here = unit > 1 ? j / unit | 0 : j, x = (here + (pair.goal[j] - here) * t - g.x0) / perX, first = Math.round(x);
        pair.x0[j] = Math.max(0, Math.min(w, first));
        pair.x1[j] = Math.max(pair.x0[j], Math.min(w, Math.max(first + 1, Math.round(x + 1 / perX))));
      }
      pair.at = t;
    }
    return pair;
  }

  paint(t) {
    const began = performance.now(), { view, from, to, line, coarse } = this, { shape: g, layer: { R, C, level } } = view, shaded = view.shaded;
    const perX = g.perX * coarse, perY = g.perY * coarse, every = Math.max(1, Math.min(this.every, Math.floor(perX)));
    const w = Math.ceil(g.panels[0].w / coarse), h = Math.ceil(g.panels[0].h / coarse), fresh = (old, n) => old?.length === n ? old.fill(0) : new Uint16Array(n);
    const sums = this.sums = fresh(this.sums, w * h * 4), levels = this.levels = fresh(this.levels, shaded ? w * h : 0);
    const row = new Uint16Array((w + 1) * 4), shades = new Uint16Array(w + 1);             // one more, for what is outside
    const pairs = new Uint32Array(row.buffer), pairSums = new Uint32Array(sums.buffer);      // two counts at a time: none comes near 65,536
    const single = perX >= 1 && g.seenX >= view.across;
    for (let i = 0; i < R; i++) {
      const y = (i + (to.rowAt[from.rows[i]] - i) * t - g.y0) / perY, y0 = Math.max(0, Math.round(y)), y1 = Math.min(h, Math.max(Math.round(y) + 1, Math.round(y + 1 / perY)));
      if (y0 >= y1) continue;
      const a = from.bandOf[i], { x0, x1 } = this.across(a, this.bandTo[i], t, w, perX), { cols } = from.bands[a], base = from.rows[i] * C;
      from.line(i, 0, C, line);
      row.fill(0);
      if (single) for (let j = i % every; j < C; j += every) row[x0[j] << 2 | line[j]]++;
      else for (let j = i % every; j < C; j += every) for (let x = x0[j], state = line[j]; x < x1[j]; x++) row[x << 2 | state]++;
      for (let v = y0; v < y1; v++) for (let k = 0, s = v * w * 2; k < 2 * w; k++, s++) pairSums[s] += pairs[k];
      if (!shaded) continue;
      shades.fill(0);
      for (let j = i % every; j < C; j += every) for (let x = x0[j]; x < x1[j]; x++) shades[x] += level[base + cols[j]];
      for (let v = y0; v < y1; v++) for (let k = 0, s = v * w; k < w; k++, s++) levels[s] += shades[k];
    }
    const counted = performance.now(), image = this.image?.width === w && this.image.height === h ? this.image : this.image = new ImageData(w, h);
    for (const panel of g.panels) this.colour(panel, image);
    const done = performance.now();
    if (counted - began > COUNT_MS && this.every < COARSEST) this.every *= 2;
    if (done - counted > COLOUR_MS && coarse < COARSEST) this.coarse++;
    Object.assign(view.root.dataset, { travelMs: (done - began).toFixed(2), travelStep: `${coarse}/${every}`, travels: +(view.root.dataset.travels ?? 0) + 1 });
  }

  colour({ name, w, h, x: left, y: top }, image) {
    const { view, sums, levels, coarse } = this, { width, height } = image, out = new Uint32Array(image.data.buffer);
    const phase = phases(width + height, Math.max(1, hatch(view.shape.ratio * view.shape.large) / coarse | 0), 0), paper = pixel(view.ink.paper);
    const tint = view.tint(name), find = finder(view.statesOf(name), view.ink, tint);
    for (let y = 0, k = 0, s = 0; y < height; y++) for (let x = 0; x < width; x++, k++, s += 4) {
      const added = sums[s + 1], removed = sums[s + 2], kept = sums[s + 3], all = sums[s] + added + removed + kept;
      out[k] = all ? find(Math.min(FIELD, added) | Math.min(FIELD, removed) << 10 | Math.min(FIELD, kept) << 20, all << 1 | phase[x + y], tint ? levels[k] : 0) : paper;
    }
    const ctx = view.cells.getContext("2d");
    if (coarse === 1) return ctx.putImageData(image, left, top);
    const aside = this.aside ??= document.createElement("canvas");
    if (aside.width !== width || aside.height !== height) Object.assign(aside, { width, height });
    aside.getContext("2d", { willReadFrequently: true }).putImageData(image, 0, 0);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(aside, 0, 0, w / coarse, h / coarse, left, top, w, h);
  }
}

const still = () => window.matchMedia("(prefers-reduced-motion: reduce)").matches;
