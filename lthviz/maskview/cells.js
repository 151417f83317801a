// A layer as the browser holds it: one byte a weight, its orders and its blocks. No drawing here.
//
// A weight's code has bit 0 when it is in the mask after, bit 1 when it was in the mask before.
const NEVER = 0, ADDED = 1, REMOVED = 2, KEPT = 3;
const FIELD = 1023;                        // sums hold three counts of ten bits: added, removed << 10, kept << 20

// The payload is one byte string: uint32 length of a JSON head, the head, then its sections, each four bytes aligned.
function readHead(bytes) {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return [JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), bytes.subarray(4 + length)];
}

function readLayer(head, body) {
  const section = name => { const [start, stop] = head.sections[name]; return body.slice(start, stop); };
  const ints = name => head.index === 2 ? Int32Array.from(new Uint16Array(section(name).buffer)) : new Int32Array(section(name).buffer);
  const { rows: R, cols: C } = head, code = new Uint8Array(R * C);
  unpack(section("after"), code, ADDED);
  if (head.paired) unpack(section("before"), code, REMOVED);
  else for (let i = 0; i < code.length; i++) code[i] *= KEPT;
  const counts = [0, 0, 0, 0];
  for (let i = 0; i < code.length; i++) counts[code[i]]++;
  const blocks = head.blocks.map((_, b) => ({ rows: ints(`rows${b}`), cols: ints(`cols${b}`) }));
  const layer = { head, R, C, code, counts, blocks, paired: head.paired, orders: {} };
  layer.blocksOfRow = Array.from({ length: R }, () => []);
  blocks.forEach((block, b) => {
    block.has = new Uint8Array(C);
    for (const c of block.cols) block.has[c] = 1;
    for (const r of block.rows) layer.blocksOfRow[r].push(b);
  });
  layer.codeAt = (r, c) => code[r * C + c];
  layer.blockAt = (r, c) => layer.blocksOfRow[r].find(b => blocks[b].has[c]) ?? -1;
  const natural = Int32Array.from({ length: C }, (_, c) => c);
  layer.orders.original = arrange(layer, Int32Array.from({ length: R }, (_, r) => r), [{ start: 0, stop: R, cols: natural }], code);
  if (head.bands.length) {
    const bands = head.bands.map(([start, stop], b) => ({ start, stop, cols: ints(`band${b}`) }));
    layer.orders.grouped = arrange(layer, ints("order"), bands, null);
  }
  if (head.shades) {
    layer.level = readLevels(head, new Uint32Array(section("levels").buffer), code);
    for (const order of Object.values(layer.orders)) weighed(layer, order);
  }
  layer.kernels = kernelOrders(layer);
  return layer;
}

function unpack(packed, code, bit) {
  for (let i = 0, k = 0; k < code.length; i++) {
    for (let mask = 128, byte = packed[i]; mask && k < code.length; mask >>= 1, k++) if (byte & mask) code[k] |= bit;
  }
}

// An order: rows[i] is the original row at place i; each band of places has its own columns. code: in that order, made when needed.
// What is drawn is asked of line(i, j0, j1, out), which puts the codes of places j0…j1 of row i at out[j0…], and of count(y0, y1,
// cols, wide, counts), which puts into counts[x] how often each code occurs in rows y0…y1 of pixel x, packed as in sumTable: in the
// columns cols[x]…cols[x + 1] where a pixel is wide, else in column cols[x]. The live view of Tune answers both from a cut.
function arrange(layer, rows, bands, code) {
  const { R, C } = layer, rowAt = new Int32Array(R), bandOf = new Uint16Array(R);
  rows.forEach((r, i) => { rowAt[r] = i; });
  bands.forEach((band, b) => {
    band.colAt = new Int32Array(C);
    band.cols.forEach((c, j) => { band.colAt[c] = j; });
    bandOf.fill(b, band.start, band.stop);
  });
  const order = { rows, bands, rowAt, bandOf, boxes: null };
  order.cell = (i, j) => ({ r: rows[i], c: bands[bandOf[i]].cols[j] });
  let table = null;
  order.codes = () => code ??= permute(layer, order);
  order.sums = () => table ??= sumTable(order.codes(), R, C);
  order.ready = order.sums;
  order.line = (i, j0, j1, out) => out.set(order.codes().subarray(i * C + j0, i * C + j1), j0);
  order.count = (y0, y1, cols, wide, counts) => countCells(order.sums(), C + 1, y0, y1, cols, wide, counts);
  order.boxesOf = () => order.boxes ??= boxes(layer, order);
  return order;
}

function permute(layer, order) {
  const { R, C, code } = layer, out = new Uint8Array(R * C);
  for (let i = 0, k = 0; i < R; i++) {
    const base = order.rows[i] * C, cols = order.bands[order.bandOf[i]].cols;
    for (let j = 0; j < C; j++, k++) out[k] = code[base + cols[j]];
  }
  return out;
}

// Summed-area table, (R + 1) × (C + 1): how often each code occurs above and left of a corner. Three counts share a number, and
// wrap around in it; differences are exact as long as the region between corners has at most 1023 cells (see payload.py, LARGEST).
function sumTable(codes, R, C) {
  const W = C + 1, table = new Int32Array((R + 1) * W), unit = Int32Array.of(0, 1, 1 << 10, 1 << 20);
  for (let r = 0, k = 0; r < R; r++) {
    let run = 0;
    for (let c = 1, t = (r + 1) * W + 1; c <= C; c++, k++, t++) {
      run = run + unit[codes[k]] | 0;
      table[t] = table[t - W] + run | 0;
    }
  }
  return table;
}

// Two reads a pixel at any zoom.
function countCells(table, W, y0, y1, cols, wide, counts) {
  const upper = y0 * W, lower = y1 * W, w = counts.length;
  if (!wide) {
    for (let x = 0; x < w; x++) { const c = cols[x]; counts[x] = table[lower + c + 1] - table[upper + c + 1] - table[lower + c] + table[upper + c]; }
    return;
  }
  for (let x = 0, last = table[lower + cols[0]] - table[upper + cols[0]]; x < w; x++) {
    const next = table[lower + cols[x + 1]] - table[upper + cols[x + 1]];
    counts[x] = next - last;
    last = next;
  }
}

// The rectangle {i0, i1, j0, j1} of each block in an order; null where it is torn apart there.
function boxes(layer, order) {
  return layer.blocks.map(block => {
    const places = Array.from(block.rows, r => order.rowAt[r]).sort((a, b) => a - b);
    const i0 = places[0], i1 = places.at(-1) + 1, band = order.bands[order.bandOf[i0]];
    if (i1 - i0 !== places.length || i1 > band.stop) return null;
    let j0 = layer.C, j1 = 0;
    for (const c of block.cols) { const j = band.colAt[c]; j0 = Math.min(j0, j); j1 = Math.max(j1, j + 1); }
    return j1 - j0 === block.cols.length ? { i0, i1, j0, j1 } : null;
  });
}
