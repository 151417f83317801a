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
function wholeWords(layer, shape, picked) {
  const { head, R, C } = layer, per = Math.max(1, shape.perX) * Math.max(1, shape.perY);
  const columns = head.kernel ? `${number(C)} weights each (${head.kernel.join(" × ")})` : `${number(C)} columns`;
  const holds = per < 1.05 ? "Every weight has a cell of its own." : `One pixel = about ${per < 10 ? per.toFixed(1) : Math.round(per)} weights.`;
  return `${number(R)} output channels, top to bottom; ${columns}, left to right. ${holds}` + (picked ? ` Selected: ${pickedName(layer, picked)}.` : "");
}

// One weight, or all the weights {i…i1, j…j1} of a pixel.
function cellWords(layer, order, { i, j, i1 = i + 1, j1 = j + 1 }) {
  const n = (i1 - i) * (j1 - j), first = order.cell(i, j);
  if (n === 1) {
    const b = layer.blockAt(first.r, first.c), many = layer.blocks.length;
    return `${cellName(layer, first.r, first.c)} · ${stateName(layer, layer.codeAt(first.r, first.c))}`
      + (b >= 0 ? ` · block ${b + 1} of ${many}` : many ? " · in no block" : "");
  }
  const counts = [0, 0, 0, 0], line = new Uint8Array(layer.C);
  for (let y = i; y < i1; y++) {
    order.line(y, j, j1, line);
    for (let x = j; x < j1; x++) counts[line[x]]++;
  }
  const states = layer.paired ? [[KEPT, "kept"], [ADDED, "added"], [REMOVED, "removed"], [NEVER, "never there"]] : [[KEPT, "kept"], [NEVER, "pruned"]];
  const found = states.filter(([code]) => counts[code]).map(([code, name]) => `${counts[code]} ${name}`).join(", ");
  const rows = i1 - i > 3 ? `${first.r} and ${i1 - i - 1} more` : Array.from(order.rows.slice(i, i1)).join(", ");
  const plain = order === layer.orders.original;
  const columns = j1 - j === 1 ? `column ${first.c}` : plain ? `columns ${j}–${j1 - 1}` : `${j1 - j} columns (places ${j}–${j1 - 1})`;
  return `output channel${i1 - i > 1 ? "s" : ""} ${rows}, ${columns} · one pixel = ${n} weights: ${found}`;
}
