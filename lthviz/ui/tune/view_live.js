// A layer whose mask after follows a threshold. The mask before never changes; after is told by one rule a row, so that a new value
// costs a look-up a part: of row r the first width[r] columns of its band are kept, and of a row that stays also what it had before.
// Only Refill's fractional channel (`odd`) has a set of columns of its own.
function readLive(head, body) {
  const { rows: R, cols: C } = head, code = new Uint8Array(R * C), natural = Int32Array.from({ length: C }, (_, c) => c);
  unpack(bytesOf(head, body, "before"), code, REMOVED);
  const had = new Int32Array(R);                            // weights of each row before
  for (let r = 0, k = 0; r < R; r++) for (let c = 0; c < C; c++, k++) if (code[k]) had[r]++;
  const layer = { head, R, C, code, had, natural, paired: true, orders: {}, counts: [0, 0, 0, 0], blocks: [], version: 0,
    width: new Int32Array(R), stays: new Uint8Array(R), odd: null, nnz: had.reduce((a, b) => a + b, 0), kind: { ...KINDS[head.kind], ...head.limits } };
  layer.rows = new Int32Array(bytesOf(head, body, "rows").buffer);
  (head.kind === "regroup" ? regrouped : refilled)(layer, body);
  const { grouped } = layer.orders;
  layer.place = (r, c) => grouped.bands[grouped.bandOf[grouped.rowAt[r]]].colAt[c];
  layer.codeAt = (r, c) => {
    const was = code[r * C + c] & REMOVED;
    return was | (layer.odd?.row === r ? layer.odd.has[c] : layer.place(r, c) < layer.width[r] || layer.stays[r] && was ? 1 : 0);
  };
  return layer;
}

const bytesOf = ({ sections }, body, name) => { const [start, stop] = sections[name]; return body.slice(start, stop); };
const indices = (bytes, n) => n < 65536 ? new Uint16Array(bytes.buffer) : new Int32Array(bytes.buffer);

// Regroup: a band for each part; a part that makes a block is cut, the other rows stay or go whatever t1 is.
function regrouped(layer, body) {
  const { head, R, C, rows, width, stays } = layer, parts = layer.parts = [];
  let start = 0, number = 0;
  const bands = head.bands.map(({ size, split, block, part }, b) => {
    const band = { start, stop: start += size, cols: part ? indices(bytesOf(head, body, `cols${b}`), C) : layer.natural };
    if (part) parts.push({ number: ++number, ...band, size, split: band.start + split, block, cut: 0, left: indices(bytesOf(head, body, `left${b}`), C),
      sums: head.sections[`sums${b}`] ? new Float32Array(bytesOf(head, body, `sums${b}`).buffer) : null });
    return band;
  });
  const cutting = parts.filter(part => part.block), partOf = layer.partOf = new Array(R).fill(null);
  for (const part of parts) for (let i = part.start; i < part.stop; i++) partOf[rows[i]] = part;
  for (let r = 0; r < R; r++) stays[r] = head.stay && !partOf[r]?.block ? 1 : 0;
  const grouped = layer.orders.grouped = prefixed(layer, rows, bands);
  layer.orders.original = scattered(layer, cutting);
  for (const part of cutting) {
    part.first = layer.blocks.length;
    for (const [i0, i1] of [[part.start, part.split], [part.split, part.stop]])
      if (i1 > i0) layer.blocks.push({ rows: rows.slice(i0, i1), get cols() { return part.cols.subarray(0, part.cut); } });
  }
  layer.blockAt = (r, c) => {
    const part = partOf[r];
    if (!part?.block || layer.place(r, c) >= part.cut) return -1;
    return part.first + (part.split > part.start && grouped.rowAt[r] >= part.split ? 1 : 0);
  };
  let outside = 0;
  for (let r = 0; r < R; r++) if (stays[r]) outside += layer.had[r];
  layer.set = t1 => {
    let area = 0, kept = outside, sum = head.stay ? head.outside : 0;
    for (const part of parts) {
      const cut = cutOf(part.left, t1);
      if (part.block) {
        if (cut !== part.cut) for (let i = part.start; i < part.stop; i++) width[rows[i]] = cut;
        area += part.size * cut;
        kept += grouped.before(part.start, part.stop, cut);
        sum += part.sums ? part.sums[cut - 1] : 0;
      }
      part.cut = cut;
    }
    settled(layer, area, kept, outside, sum);
  };
}

// Refill: rows from best to worst, the first K of them whole.
function refilled(layer, body) {
  const { head, R, C, rows, width, nnz, had, natural } = layer;
  layer.scores = new Float32Array(bytesOf(head, body, "scores").buffer);
  const sums = head.sections.sums ? new Float64Array(bytesOf(head, body, "sums").buffer) : null;
  const kept = new Float64Array(R + 1);
  for (let i = 0; i < R; i++) kept[i + 1] = kept[i] + had[rows[i]];
  layer.orders.original = prefixed(layer, Int32Array.from({ length: R }, (_, r) => r), [{ start: 0, stop: R, cols: natural }]);
  const { rowAt } = layer.orders.grouped = prefixed(layer, rows, [{ start: 0, stop: R, cols: natural }]);
  layer.channels = rho => channelsOf(nnz, R, C, rho, head.fractional);
  // Columns by |w| and cumulative shares of the magnitude, of the channels near the budget that Python was asked for.
  layer.renew = (head, body) => {
    layer.near = head.sections.near ? { first: head.first, cols: indices(bytesOf(head, body, "near"), C), shares: new Uint16Array(bytesOf(head, body, "shares").buffer) } : null;
  };
  layer.renew(head, body);
  layer.set = rho => {
    const { full, rest } = layer.channels(rho), at = (full - (layer.near?.first ?? R)) * C, known = rest > 0 && at >= 0 && at < layer.near.cols.length;
    for (let i = 0; i < R; i++) width[rows[i]] = i < full || i === full && rest && !known ? C : 0;
    Object.assign(layer, { full, rest, guessed: rest > 0 && !known, odd: null });
    const whole = full + (layer.guessed ? 1 : 0);
    let on = kept[whole], sum = sums && whole ? sums[whole - 1] : 0;
    layer.blocks = whole ? [{ rows: rows.subarray(0, whole), cols: natural }] : [];
    if (known) {
      const row = rows[full], cols = layer.near.cols.slice(at, at + rest).sort(), has = new Uint8Array(C);
      for (const c of cols) { has[c] = 1; if (layer.code[row * C + c]) on++; }
      if (sums) sum += layer.near.shares[at + rest - 1] / 65535 * (sums[full] - (full ? sums[full - 1] : 0));
      layer.odd = { row, has };
      layer.blocks.push({ rows: [row], cols });
    }
    settled(layer, whole * C + (known ? rest : 0), on, 0, sum);
  };
  layer.blockAt = (r, c) => layer.odd?.row === r ? (layer.odd.has[c] ? layer.blocks.length - 1 : -1) : rowAt[r] < layer.full + (layer.guessed ? 1 : 0) ? 0 : -1;
}

// Counts of the states, and the numbers that are read below the picture. kept: of the weights before; area: weights in blocks.
function settled(layer, area, kept, outside, sum) {
  const { R, C, nnz, head } = layer, added = area + outside - kept, on = area + outside;
  layer.counts = [R * C - nnz - added, added, nnz - kept, kept];
  layer.figures = { kept: on, density: on / (R * C), coverage: on ? area / on : 0, blocks: layer.blocks.length, magnitude: head.kept ? Math.min(1, sum / head.kept) : null };
  layer.version++;
}

// Orders ----------------------------------------------------------------------------------------------------------------

// In this order every row's weights after are its first columns: counts need only the summed-area table of the mask before, and the cut.
function prefixed(layer, rows, bands) {
  const { R, C, code, width, stays } = layer, W = C + 1, order = arrange(layer, rows, bands, null);
  let table = null, at = new Int32Array(0);
  order.ready = () => table ??= beforeTable(layer, order);
  order.before = (i0, i1, j) => { order.ready(); return table[i1 * W + j] - table[i0 * W + j]; };
  order.line = (i, j0, j1, out) => {
    const r = rows[i], base = r * C, { cols } = bands[order.bandOf[i]], { odd } = layer, inside = width[r], stay = stays[r];
    for (let j = j0; j < j1; j++) {
      const c = cols[j], was = code[base + c] & REMOVED;
      out[j] = was | (odd?.row === r ? odd.has[c] : j < inside || stay && was ? 1 : 0);
    }
  };
  order.count = (y0, y1, cols, wide, counts) => {
    order.ready();
    if (at.length <= counts.length) at = new Int32Array(counts.length + 1);
    counts.fill(0);
    for (let a = y0, b; a < y1; a = b) {
      const r = rows[a];
      for (b = a + 1; b < y1 && width[rows[b]] === width[r] && stays[rows[b]] === stays[r] && rows[b] !== layer.odd?.row && r !== layer.odd?.row; b++);
      if (layer.odd?.row === r) countOdd(layer, r, cols, wide, counts);
      else countPrefix(table, a * W, b * W, b - a, stays[r] ? -1 : width[r], cols, wide, counts, at);
    }
  };
  live(layer, order);
  return order;
}

// What a pixel's columns add to its counts, in rows between two lines of the table. inside: columns kept; -1: what was before stays.
// Running counts wrap around in their number, as in sumTable; the differences between two pixels' edges do not.
function countPrefix(table, upper, lower, tall, inside, cols, wide, counts, at) {
  const w = counts.length;
  if (!wide) {
    for (let x = 0; x < w; x++) {
      const c = cols[x], was = table[lower + c + 1] - table[upper + c + 1] - table[lower + c] + table[upper + c];
      counts[x] += inside < 0 ? was << 20 : c < inside ? tall - was | was << 20 : was << 10;
    }
    return;
  }
  const whole = inside < 0 ? 0 : table[lower + inside] - table[upper + inside];
  const beyond = inside < 0 ? 0 : tall * inside - whole + (whole << 20) | 0;
  for (let x = 0; x <= w; x++) {
    const j = cols[x], was = table[lower + j] - table[upper + j];
    at[x] = inside < 0 ? was << 20 : j <= inside ? tall * j - was + (was << 20) : beyond + (was - whole << 10);
  }
  for (let x = 0; x < w; x++) counts[x] = counts[x] + at[x + 1] - at[x] | 0;
}

const UNIT = Int32Array.of(0, 1, 1 << 10, 1 << 20);        // of each code, as in sumTable

function countOdd({ C, code, odd: { has } }, r, cols, wide, counts) {
  for (let x = 0; x < counts.length; x++)
    for (let c = cols[x], last = wide ? cols[x + 1] : c + 1; c < last; c++) counts[x] += UNIT[code[r * C + c] & REMOVED | has[c]];
}

function beforeTable({ R, C, code }, order) {
  const W = C + 1, table = new Int32Array((R + 1) * W);
  for (let i = 0; i < R; i++) {
    const base = order.rows[i] * C, { cols } = order.bands[order.bandOf[i]];
    for (let j = 0, t = (i + 1) * W + 1, run = 0; j < C; j++, t++) {
      run += code[base + cols[j]] >> 1;
      table[t] = table[t - W] + run;
    }
  }
  return table;
}

// In the network's own order a part's columns lie anywhere. Codes, and each row's counts in the pixels now shown, are kept, and of a new
// cut only the columns between the old one and the new are gone through.
function scattered(layer, parts) {
  const { R, C, code, rows, stays } = layer, order = arrange(layer, Int32Array.from({ length: R }, (_, r) => r), [{ start: 0, stop: R, cols: layer.natural }], code);
  const done = new Int32Array(parts.length), known = new Uint8Array(R), pixelOf = new Uint16Array(C);
  let version = -1, shown = null, sums = new Int32Array(0), w = 0;
  const follow = () => {
    if (version === layer.version) return;
    if (version < 0) for (let r = 0, k = 0; r < R; r++) for (let c = 0; c < C; c++, k++) if (stays[r] && code[k]) code[k] = KEPT;
    version = layer.version;
    parts.forEach((part, p) => {
      const from = Math.min(done[p], part.cut), to = Math.max(done[p], part.cut), { cols } = part;
      done[p] = part.cut;
      if (from < to) for (let i = part.start; i < part.stop; i++) {
        const base = rows[i] * C, line = rows[i] * (w + 1), count = known[rows[i]];
        for (let j = from; j < to; j++) {
          const c = cols[j], old = code[base + c], now = old ^ 1;
          code[base + c] = now;
          if (count) sums[line + pixelOf[c]] += UNIT[now] - UNIT[old];
        }
      }
    });
  };
  order.ready = follow;
  order.line = (i, j0, j1, out) => { follow(); out.set(code.subarray(i * C + j0, i * C + j1), j0); };
  order.count = (y0, y1, cols, wide, counts) => {
    follow();
    counts.fill(0);
    if (!wide) {
      for (let r = y0; r < y1; r++) for (let x = 0; x < counts.length; x++) counts[x] += UNIT[code[r * C + cols[x]]];
      return;
    }
    if (shown !== cols) look(cols, counts.length);
    for (let r = y0; r < y1; r++) {
      const line = r * (w + 1);
      if (!known[r]) {
        known[r] = 1;
        for (let c = cols[0]; c < cols[w]; c++) sums[line + pixelOf[c]] += UNIT[code[r * C + c]];
      }
      for (let x = 0; x < w; x++) counts[x] += sums[line + x];
    }
  };
  // Other pixels: what was counted is forgotten. A column beside the picture counts for pixel w, which is not drawn.
  const look = (cols, width) => {
    const same = shown && width === w && cols.every((c, x) => c === shown[x]);
    shown = cols;
    if (same) return;
    w = width;
    if (sums.length < R * (w + 1)) sums = new Int32Array(R * (w + 1));
    else sums.fill(0);
    known.fill(0);
    pixelOf.fill(w);
    for (let x = 0; x < w; x++) for (let c = cols[x]; c < cols[x + 1]; c++) pixelOf[c] = x;
  };
  live(layer, order);
  return order;
}

// The outlines follow.
function live(layer, order) {
  let version = -1, found = null;
  order.boxesOf = () => {
    if (version !== layer.version) { found = boxes(layer, order); version = layer.version; }
    return found;
  };
}
