// What the picture says in words: a weight's name, its state, what a pixel holds. The readout under the picture is a live region.
const number = n => n.toLocaleString("en");

// What a weight is called: its output channel and column, and the input channel and kernel position behind the column.
function cellName(layer, r, c) {
  const { kernel, groups } = layer.head;
  if (!kernel) return `row ${r}, column ${c}`;
  const [cin, kh, kw] = kernel, inside = Math.floor(c / (kh * kw)), rest = c % (kh * kw);
  const input = Math.floor(r / (layer.R / groups)) * cin + inside;
  const where = kh * kw > 1 ? `, kernel row ${Math.floor(rest / kw)}, kernel column ${rest % kw}` : "";
  return `output channel ${r}, column ${c}: input channel ${input}${where}`;
}

function stateName(layer, code) {
  if (!layer.paired) return code ? "kept" : "pruned";
  return ["never there (neither before nor after)", "added (not before, there after)", "removed (there before, not after)", "kept (before and after)"][code];
}

function pickedName(layer, { kind, row, column, block }) {
  if (kind === "block") return `block ${block + 1}, ${layer.blocks[block].rows.length} output channels × ${layer.blocks[block].cols.length} columns`;
  return kind === "row" ? `output channel ${row}` : `column ${column}`;
}

// Nothing pointed at: what the axes are, how much a pixel holds, what is selected.
function wholeWords(layer, shape, picked, { kernelled = false } = {}) {
  const { head, R, C } = layer, per = Math.max(1, shape.perX) * Math.max(1, shape.perY), [cin, kh, kw] = head.kernel ?? [];
  const columns = kernelled ? `${number(cin)} kernels of ${kh} × ${kw} each` : head.kernel ? `${number(C)} weights each (${head.kernel.join(" × ")})` : `${number(C)} columns`;
  const what = kernelled ? "kernel" : "weight", single = head.kernel && head.convolution && kh * kw === 1 ? " A kernel is one weight here." : "";
  const holds = per < 1.05 ? `Every ${what} has a cell of its own${kernelled ? ", shaded by how many of its positions are kept" : ""}.` : `One pixel = about ${per < 10 ? per.toFixed(1) : Math.round(per)} ${what}s.`;
  const none = layer.counts[KEPT] + layer.counts[ADDED] ? "" : " Nothing is kept in this layer.";
  return `${number(R)} output channels, top to bottom; ${columns}, left to right. ${holds}${single}${none}` + (picked ? ` Selected: ${kernelled && picked.kind === "column" ? `kernel column ${picked.column / (kh * kw) | 0}` : pickedName(layer, picked)}.` : "");
}

// One weight or kernel, or all the weights {i…i1, j…j1} of a pixel. shaded: with the size of the weights.
function cellWords(layer, order, cell, shaded = false) {
  const { i, j, i1 = i + 1, j1 = j + 1 } = cell, unit = order.unit ?? 1, n = (i1 - i) * (j1 - j) * unit, first = order.cell(i, j);
  if (i1 - i === 1 && j1 - j === 1 && unit > 1) return kernelWords(layer, first, unit);
  if (n === 1) {
    const b = layer.blockAt(first.r, first.c), many = layer.blocks.length, level = shaded ? layer.level[first.r * layer.C + first.c] : 0;
    return `${cellName(layer, first.r, first.c)} · ${stateName(layer, layer.codeAt(first.r, first.c))}` + (level ? ` · ${levelName(layer, level)}` : "")
      + (b >= 0 ? ` · block ${b + 1} of ${many}` : many ? " · in no block" : "");
  }
  const counts = [0, 0, 0, 0], line = new Uint8Array(layer.C);
  for (let y = i; y < i1; y++) {
    order.line(y, j * unit, j1 * unit, line);
    for (let x = j * unit; x < j1 * unit; x++) counts[line[x]]++;
  }
  const states = layer.paired ? [[KEPT, "kept"], [ADDED, "added"], [REMOVED, "removed"], [NEVER, "never there"]] : [[KEPT, "kept"], [NEVER, "pruned"]];
  const found = states.filter(([code]) => counts[code]).map(([code, name]) => `${counts[code]} ${name}`).join(", ");
  const rows = i1 - i > 3 ? `${first.r} and ${i1 - i - 1} more` : Array.from(order.rows.slice(i, i1)).join(", ");
  const plain = order === layer.orders.original || order === layer.kernels?.original, what = unit > 1 ? "kernel" : "column";
  const columns = j1 - j === 1 ? `${what} ${first.c / unit}` : plain ? `${what}s ${j}–${j1 - 1}` : `${j1 - j} ${what}s (places ${j}–${j1 - 1})`;
  return `output channel${i1 - i > 1 ? "s" : ""} ${rows}, ${columns} · one pixel = ${n} weights: ${found}`;
}
