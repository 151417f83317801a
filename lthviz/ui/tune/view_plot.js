// The curve that explains a threshold, beside the mask. Regroup: L(i), the most weights that a row of the part leaves outside its first
// i columns, and the line i/t1; the block ends where they cross. Refill: channel scores, best first, and how many stay. The line and the
// mark are a slider: dragged by pointer and finger, moved by arrow keys.
const SVG = "http://www.w3.org/2000/svg";
const EDGE = { left: 46, right: 14, top: 28, bottom: 40 };      // and all lengths below in pixels of letters of LETTER pixels: they grow with the page's
const LETTER = 12;
const number4 = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

function svg(parent, tag, attributes = {}, text = "") {
  const e = parent.appendChild(document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  if (text) e.textContent = text;
  return e;
}

const put = (e, attributes) => { for (const [name, value] of Object.entries(attributes)) if (e.getAttribute(name) !== `${value}`) e.setAttribute(name, value); };

// Three to six round numbers of 0…most; on a root scale they are closer where it is wider.
function ticks(most, root) {
  if (root) {
    const found = [0];
    for (const share of [0.06, 0.25, 0.55, 1]) {
      const v = most * share, unit = 10 ** Math.floor(Math.log10(Math.max(1, v))), round = Math.max(1, Math.floor(v / unit) * unit);
      if (round > found.at(-1)) found.push(round);
    }
    return found;
  }
  const raw = most / 4, unit = 10 ** Math.floor(Math.log10(raw)), step = [1, 2, 5, 10].find(m => m * unit >= raw) * unit;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, k) => +(k * step).toPrecision(6));
}

class Plot {
  constructor(view) {
    this.view = view;
    this.svg = view.plot;
    [this.still, this.moving] = this.svg.children;          // what stays is drawn once, below what moves
  }

  // Everything that stays while the threshold moves.
  build() {
    const { view } = this, { layer } = view, width = this.width = this.svg.clientWidth, height = this.height = this.svg.clientHeight;
    this.still.replaceChildren();
    this.moving.replaceChildren();
    this.grip = null;
    if (!width || !height || layer.parts?.length === 0) return;
    for (const layer of [this.still, this.moving]) put(layer, { viewBox: `0 0 ${width} ${height}` });
    const em = this.em = (parseFloat(getComputedStyle(this.svg).fontSize) || LETTER) / LETTER;
    const edge = this.edge = Object.fromEntries(Object.entries(EDGE).map(([side, n]) => [side, n * em]));
    const w = width - edge.left - edge.right, h = height - edge.top - edge.bottom, regroup = layer.head.kind === "regroup";
    const power = regroup ? 0.5 : 1;                        // a root scale on both axes: the line stays straight, small numbers get room
    this.most = regroup ? { x: layer.C, y: Math.max(1, ...layer.parts.map(p => p.left[0])) } : { x: layer.R, y: Math.max(...layer.scores, 0) || 1 };
    this.least = regroup ? 0 : Math.min(0, ...layer.scores);
    const span = this.most.y - this.least;
    this.X = i => edge.left + w * (i / this.most.x) ** power;
    this.Y = v => edge.top + h * (1 - ((v - this.least) / span) ** power);
    this.atX = px => this.most.x * Math.max(0, Math.min(1, (px - edge.left) / w)) ** (1 / power);
    this.atY = py => this.least + span * Math.max(0, Math.min(1, 1 - (py - edge.top) / h)) ** (1 / power);
    this.base = this.Y(this.least);
    this.axes(regroup);
    if (regroup) this.curves(); else this.scores();
    this.hovered = svg(this.moving, "g", { class: "pointed", visibility: "hidden" });
    svg(this.hovered, "line", { y1: edge.top, y2: this.base });
    svg(this.hovered, "circle", { r: 3.5 * em });
    this.gripped();
    this.part = undefined;
    this.move();
  }

  axes(regroup) {
    const g = svg(this.still, "g", { class: "axes" }), { X, Y, base, most, edge, em } = this;
    svg(g, "path", { d: `M${edge.left} ${edge.top}V${base}H${X(most.x)}` });
    for (const v of ticks(most.x, regroup)) if (regroup || v) {
      svg(g, "path", { d: `M${X(v)} ${base}v${4 * em}` });
      svg(g, "text", { x: X(v), y: base + 17 * em, "text-anchor": "middle" }, number(v));
    }
    for (const v of ticks(most.y, regroup)) {
      svg(g, "path", { d: `M${edge.left} ${Y(v)}h${-4 * em}` });
      svg(g, "text", { x: edge.left - 7 * em, y: Y(v) + 4 * em, "text-anchor": "end" }, v >= 10000 ? `${number4.format(v / 1000)}k` : number4.format(v));
    }
    svg(g, "text", { x: X(most.x), y: base + 34 * em, "text-anchor": "end", class: "says" }, regroup ? "columns of the block, i (root scale)" : "output channels, best first");
    svg(g, "text", { x: 0, y: 12 * em, class: "says" }, regroup ? "non-zeros of a row left outside, at most: L(i) (root scale)" : "channel score");
  }

  curves() {
    const { X, Y, still, moving, em, view: { layer } } = this;
    this.paths = layer.parts.map(({ left }) => {
      let d = `M${X(1).toFixed(1)} ${Y(left[0]).toFixed(1)}`, last = left[0], x = X(1), y = Y(last);
      for (let i = 1; i < left.length; i++) {
        if (left[i] === last) continue;
        last = left[i];
        if (last && X(i + 1) - x < 0.5 && Y(last) - y < 0.5) continue;         // less than can be seen
        [x, y] = [X(i + 1), Y(last)];
        d += `H${x.toFixed(1)}V${y.toFixed(1)}`;
      }
      return svg(still, "path", { class: "left", d: `${d}H${X(layer.C).toFixed(1)}` });
    });
    const g = svg(moving, "g", { class: "cut" });
    this.cut = { start: svg(g, "line", { class: "start" }), line: svg(g, "line", { class: "line" }), drop: svg(g, "line", { class: "drop" }),
      dot: svg(g, "circle", { r: 5 * em }), name: svg(g, "text", { class: "count" }) };
  }

  scores() {
    const { X, Y, still, moving, base, edge, em, view: { layer } } = this;
    let d = `M${edge.left} ${base}`;
    layer.scores.forEach((score, k) => { d += `V${Y(score).toFixed(1)}H${X(k + 1).toFixed(1)}`; });
    d += `V${base}Z`;
    const clip = svg(svg(moving, "defs"), "clipPath", { id: "whole" });
    this.clip = svg(clip, "rect", { x: edge.left, y: 0, height: this.height });
    svg(still, "path", { class: "gone", d });
    svg(moving, "path", { class: "stay", d, "clip-path": "url(#whole)" });
    const g = svg(moving, "g", { class: "cut" });
    this.cut = { start: svg(g, "line", { class: "start" }), line: svg(g, "line", { class: "line" }), dot: svg(g, "circle", { r: 7 * em }), name: svg(g, "text", { class: "count" }) };
  }

  gripped() {
    const { kind } = this.view.layer;
    this.grip = svg(this.moving, "line", { class: "grip", tabindex: 0, role: "slider", "aria-valuemin": kind.values[0], "aria-valuemax": kind.values.at(-1),
      "aria-label": kind.name === "t1" ? "t1, the line i/t1" : "ρ, the channels that stay whole" });
  }

  // What follows the threshold.
  move() {
    if (!this.grip) return;
    const { view } = this, { layer } = view, { kind } = layer, value = view.kept.value;
    if (kind.name === "t1") this.moveLine(value, view.part);
    else this.moveMark(value);
    put(this.grip, { "aria-valuenow": value, "aria-valuetext": `${kind.sign} ${value}: ${this.cut.name.textContent}` });
  }

  moveLine(t1, part) {
    const { X, Y, most, cut, width, edge, em } = this, ray = t1 => { const i = Math.min(most.x, t1 * most.y); return { x1: X(0), y1: Y(0), x2: X(i), y2: Y(Math.min(most.y, i / t1)) }; };
    if (this.part !== part) {
      this.paths.forEach((path, p) => path.classList.toggle("chosen", this.view.layer.parts[p] === part));
      this.still.append(this.paths[part.number - 1]);
      this.part = part;
    }
    put(cut.line, ray(t1));
    put(cut.start, ray(this.view.kept.start));
    put(this.grip, ray(t1));
    const x = X(part.cut), y = Y(part.left[part.cut - 1]), beyond = x > width * 0.6;
    put(cut.dot, { cx: x, cy: y });
    put(cut.drop, { x1: x, x2: x, y1: y, y2: this.base });
    cut.name.textContent = part.block ? `${number(part.cut)} column${part.cut === 1 ? "" : "s"}` : "makes no block";
    cut.line.parentNode.classList.toggle("idle", !part.block);
    put(cut.name, { x: x + (beyond ? -10 : 10) * em, y: Math.max(edge.top + 14 * em, Math.min(this.base - 10 * em, y - 10 * em)), "text-anchor": beyond ? "end" : "start" });
  }

  moveMark(rho) {
    const { X, cut, base, width, edge, em, view: { layer } } = this, { full, rest } = layer, x = X(full + rest / layer.C), left = x > width * 0.55;
    const upright = x => ({ x1: x, x2: x, y1: edge.top, y2: base }), start = layer.channels(this.view.kept.start);
    put(this.clip, { width: Math.max(0, x - edge.left) });
    put(cut.line, upright(x));
    put(cut.start, upright(X(start.full + start.rest / layer.C)));
    put(this.grip, upright(x));
    put(cut.dot, { cx: x, cy: (edge.top + base) / 2 });
    cut.name.textContent = `${number(full)} of ${number(layer.R)} channel${layer.R === 1 ? "" : "s"}${rest ? ` and ${number(rest)} weights` : ""}`;
    put(cut.name, { x: x + (left ? -8 : 8) * em, y: edge.top + 14 * em, "text-anchor": left ? "end" : "start" });
  }

  // The value whose line goes, or whose mark stands, where the pointer is.
  valueAt(event) {
    const box = this.svg.getBoundingClientRect(), { layer } = this.view, x = event.clientX - box.left;
    if (layer.kind.name === "t1") {
      const t1 = this.atX(x) / Math.max(1e-9, this.atY(event.clientY - box.top));
      return +Math.max(0.001, Math.min(layer.kind.values.at(-1), t1)).toPrecision(3);
    }
    const at = this.atX(x), { nnz, R, C, head } = layer;
    if (!head.fractional) return rhoFor(Math.max(1, Math.round(at)), nnz, R, C);
    return nnz === R * C ? 0 : +Math.max(0, Math.min(1, (at - nnz / C) / (R - nnz / C))).toFixed(3);
  }

  // Numbers under a pointer, and a mark there; null: none.
  point(event) {
    if (!this.grip) return "";
    this.hovered.setAttribute("visibility", event ? "visible" : "hidden");
    if (!event) return "";
    const { X, Y, view } = this, { layer, part } = view, at = this.atX(event.clientX - this.svg.getBoundingClientRect().left), [line, dot] = this.hovered.children;
    const mark = (x, y) => { put(line, { x1: x, x2: x }); put(dot, { cx: x, cy: y }); };
    if (part) {
      const i = Math.max(1, Math.min(layer.C, Math.round(at))), left = part.left[i - 1];
      mark(X(i), Y(left));
      return `i = ${number(i)}: L = ${number(left)}, the line is at ${number4.format(i / view.kept.value)}.`;
    }
    const k = Math.max(0, Math.min(layer.R - 1, Math.floor(at)));
    mark(X(k + 0.5), Y(layer.scores[k]));
    const stays = k < layer.full ? "stays whole" : k === layer.full && layer.rest ? `keeps ${number(layer.rest)} weights` : "is removed";
    return `Place ${number(k + 1)}: channel ${layer.rows[k]}, score ${number4.format(layer.scores[k])}; it ${stays}.`;
  }
}
