// The cursor that keys move, and what is selected: a row, a column or a block.
// The first key shows the cursor where one looks; it never leaves the picture.
function moveCursor(view, di, dj) {
  const k = view.kept, g = view.shape, { layer: { R }, across: C } = view, inside = (x, most) => Math.max(0, Math.min(most, x));
  k.cursor = k.cursor ? { i: inside(k.cursor.i + di, R - 1), j: inside(k.cursor.j + dj, C - 1) } : { i: Math.floor(g.y0), j: Math.floor(g.x0) };
  view.hover = null;
  const into = (x, start, seen) => Math.max(x + 1 - seen, Math.min(x, start));
  const x0 = into(k.cursor.j, g.x0, g.seenX), y0 = into(k.cursor.i, g.y0, g.seenY);
  if (x0 !== g.x0 || y0 !== g.y0) panTo(view, x0 + g.seenX / 2, y0 + g.seenY / 2);
  else view.mark();
}

// kind: "row", "column", "block", or "auto": the block where there are several, else the row. Twice the same: nothing is selected.
function pick(view, kind, { i, j }) {
  const { r: row, c: column } = view.order.cell(i, j), unit = view.order.unit ?? 1, was = view.kept.picked;
  let block = -1;
  for (let k = 0; k < unit && block < 0; k++) block = view.layer.blockAt(row, column + k);
  if (kind === "auto") kind = block >= 0 && view.layer.blocks.length > 1 ? "block" : "row";
  const same = was?.kind === kind && { row: was.row === row, column: was.column === column, block: was.block === block }[kind];
  view.choose(same ? null : { kind, row, column, block });
}

function forget(view) {
  view.kept.cursor = null;
  if (view.kept.picked) view.choose(null);
  else view.mark();
}

function whereIs(view, row, column) {
  const i = view.order.rowAt[row];
  return { i, j: view.order.bands[view.order.bandOf[i]].colAt[column] };
}

// What is selected, without the weight that was clicked.
function plainly({ kind, row, column, block }, { blocks }) {
  if (kind === "block") return { kind, row: blocks[block].rows[0], column: blocks[block].cols[0], block };
  return kind === "row" ? { kind, row, column: 0, block: -1 } : { kind, row: 0, column, block: -1 };
}
