// The kernel view: one cell for each kernel of kh·kw positions, so that a layer is C × C_in. It is an order like the others, over the same
// sums: its place j holds the `unit` neighbouring columns of one input channel. Columns of a layer stand channel by channel, so only a
// grouped order has to be laid out anew: in each band the kernels that hold most of its weights first.
const fitsKernels = (R, unit) => unit > 1 && unit * Math.ceil(R / 100) <= FIELD;      // a pixel's counts must hold whole kernels

function kernelOrders(layer) {
  const { head: { kernel }, R, orders } = layer, unit = kernel ? kernel[1] * kernel[2] : 1;
  if (!fitsKernels(R, unit)) return null;
  const found = { original: byKernel(layer, orders.original, unit) };
  if (orders.grouped) {
    const whole = arrange(layer, orders.grouped.rows, orders.grouped.bands.map(band => gathered(layer, orders.grouped, band, unit)), null);
    if (layer.level) weighed(layer, whole);
    found.grouped = byKernel(layer, whole, unit);
  }
  return found;
}

// A band with whole kernels in the order of how many weights after (then before) its rows have in them, ties by the lower input channel.
function gathered({ C, code }, { rows }, { start, stop }, unit) {
  const kernels = C / unit, weight = new Float64Array(kernels);
  for (let i = start; i < stop; i++) for (let c = 0, k = rows[i] * C; c < C; c++, k++) weight[c / unit | 0] += (code[k] & 1) * 0x1000000 + (code[k] >> 1);
  const sorted = Array.from({ length: kernels }, (_, k) => k).sort((a, b) => weight[b] - weight[a] || a - b);
  return { start, stop, cols: Int32Array.from({ length: C }, (_, j) => sorted[j / unit | 0] * unit + j % unit) };
}

function byKernel(layer, base, unit) {
  const bands = base.bands.map(band => ({ ...band, colAt: band.colAt.map(j => j / unit | 0) }));
  const order = { unit, base, rows: base.rows, rowAt: base.rowAt, bandOf: base.bandOf, bands, ready: base.ready };
  order.cell = (i, j) => base.cell(i, j * unit);
  order.line = base.line;
  const widely = (sum, y0, y1, cols, wide, out) => {
    if (wide) return sum(y0, y1, cols.map(c => c * unit), true, out);
    const pair = new Int32Array(2), one = new Int32Array(1);
    for (let x = 0, last = -1; x < out.length; x++) {                // several pixels a kernel: counted once
      if (cols[x] !== last) { pair[0] = cols[x] * unit; pair[1] = pair[0] + unit; sum(y0, y1, pair, true, one); last = cols[x]; }
      out[x] = one[0];
    }
  };
  order.count = (...asked) => widely(base.count, ...asked);
  if (base.weigh) order.weigh = (...asked) => widely(base.weigh, ...asked);
  let found = null;                                                  // a block is a rectangle here only where it holds whole kernels
  order.boxesOf = () => found ??= base.boxesOf().map((box, b) => box && layer.blocks[b].cols.length % unit === 0 && wholeKernels(layer.blocks[b].cols, unit)
    ? { ...box, j0: box.j0 / unit, j1: box.j1 / unit } : null);
  return order;
}

function wholeKernels(cols, unit) {
  for (let k = 0; k < cols.length; k += unit) if (cols[k] % unit || cols[k + unit - 1] !== cols[k] + unit - 1) return false;
  return true;
}

// One kernel in words: how many of its positions are kept, and which.
function kernelWords(layer, { r, c }, unit) {
  const { kernel, groups } = layer.head, [cin, kh, kw] = kernel, counts = [0, 0, 0, 0], drawing = [];
  for (let k = 0; k < unit; k++) counts[layer.codeAt(r, c + k)]++;
  for (let y = 0; y < kh; y++) drawing.push(Array.from({ length: kw }, (_, x) => ".+−#"[layer.codeAt(r, c + y * kw + x)]).join(""));
  const input = Math.floor(r / (layer.R / groups)) * cin + c / unit, on = counts[KEPT] + counts[ADDED];
  const moves = layer.paired ? [[ADDED, "added"], [REMOVED, "removed"]].filter(([code]) => counts[code]).map(([code, name]) => `, ${counts[code]} ${name}`).join("") : "";
  return `output channel ${r}, input channel ${input}: ${on} of ${unit} kept${moves} · kernel rows ${drawing.join(" / ")}`;
}
