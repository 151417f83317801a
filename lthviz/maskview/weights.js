// The overlay of |w|: kept weights shaded by the size of the ticket's own trained weights. They come as levels of equally many weights
// (`levels.py`), as digits to the base L, several to a 32-bit word; level 1 holds the smallest, 0 means no weight.
const FAINT = 0.16;                        // opacity of the lowest level: a kept weight is never taken for a pruned one

function readLevels(head, words, code) {
  const { levels: L } = head.shades, digits = Math.floor(32 / Math.log2(L) + 1e-9), level = new Uint8Array(code.length);
  let word = 0, left = 0, at = 0;
  for (let k = 0; k < code.length; k++) {
    if (!(code[k] & 1)) continue;
    if (!left) { word = words[at++]; left = digits; }
    level[k] = word % L + 1;
    word = Math.floor(word / L);
    left--;
  }
  return level;
}

// Opacity of weights of this mean level.
const shade = (mean, L) => L > 1 ? FAINT + (1 - FAINT) * (mean - 1) / (L - 1) : 1;

// Sums of levels in an order: weigh(), as count() of `arrange`.
function weighed(layer, order) {
  const { R, C, level } = layer, W = C + 1;
  let table = null;
  const sums = () => {
    if (table) return table;
    table = new Int32Array((R + 1) * W);
    for (let i = 0; i < R; i++) {
      const base = order.rows[i] * C, { cols } = order.bands[order.bandOf[i]];
      for (let j = 0, run = 0, t = (i + 1) * W + 1; j < C; j++, t++) table[t] = table[t - W] + (run += level[base + cols[j]]);
    }
    return table;
  };
  order.weigh = (y0, y1, cols, wide, out) => countCells(sums(), W, y0, y1, cols, wide, out);
}

function levelName({ head: { shades } }, level) {
  const { edges, levels } = shades;
  return `|w| ${size(edges[level - 1])} to ${size(edges[level])} (level ${level} of ${levels})`;
}

const size = x => x === 0 ? "0" : x.toPrecision(2).replace(/e([+-])0?/, "e$1");

// The legend's ramp: from the smallest to the largest |w| of the layer, all in one line.
function ramp(view) {
  const { layer: { head: { shades } }, ink } = view, canvas = document.createElement("canvas"), L = shades.levels;
  Object.assign(canvas, { width: L * 12, height: 14 });
  const ctx = canvas.getContext("2d");
  for (let level = 1; level <= L; level++) {
    const [r, g, b] = mix(ink.paper, ink.ink[0][1], shade(level, L)).map(Math.round);
    ctx.fillStyle = `rgb(${r} ${g} ${b})`;
    ctx.fillRect((level - 1) * 12, 0, 12, 14);
  }
  return canvas;
}

function rampWords({ head: { shades } }) {
  const { edges, levels, of } = shades;
  return `|w| after training, ${size(edges[0])} to ${size(edges[levels])}, half below ${size(shades.median)}; ${levels} levels of equally many of the ${number(of)} kept weights (weights have no unit)`;
}
