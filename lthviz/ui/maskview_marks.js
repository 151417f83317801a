// What lies over the cells: outlines of blocks, what is selected, the cursor, and two bars that tell where in the layer one is.
function drawMarks(view) {
  const { shape: g, kept, layer, order, colours } = view, { R, C } = layer, ctx = view.marks.getContext("2d"), one = g.ratio;
  ctx.clearRect(0, 0, g.width, g.height);
  for (const panel of g.panels) {
    const X = j => panel.x + (j - g.x0) / g.perX, Y = i => panel.y + (i - g.y0) / g.perY;
    // A frame around places i0…i1, j0…j1: its line in front of a paper one, so that it stands out on dark cells as on light ones.
    const frame = ({ i0, i1, j0, j1 }, colour, width, out = 0, least = 0) => {
      const w = Math.max(least, X(j1) - X(j0)), h = Math.max(least, Y(i1) - Y(i0)), x = (X(j0) + X(j1) - w) / 2 - out, y = (Y(i0) + Y(i1) - h) / 2 - out;
      for (const [stroke, line] of [[colours.paper, width + 2 * one], [colour, width]]) {
        Object.assign(ctx, { strokeStyle: stroke, lineWidth: line });
        ctx.strokeRect(x, y, w + 2 * out, h + 2 * out);
      }
    };
    ctx.save();
    ctx.beginPath();
    ctx.rect(panel.x - 3 * one, panel.y - 3 * one, panel.w + 6 * one, panel.h + 6 * one);
    ctx.clip();
    for (const box of order.boxesOf()) if (box && (box.i1 - box.i0) / g.perY >= 3 * one) frame(box, colours.text, one);
    if (kept.picked) for (const box of extent(layer, order, kept.picked)) frame(box, colours.accent, 2 * one, 0, 2 * one);
    for (const [cell, colour] of [[kept.cursor, colours.accent], [view.hover, colours.text]]) if (cell) {
      const { i, j, i1 = i + 1, j1 = j + 1 } = cell;
      frame({ i0: i, i1, j0: j, j1 }, colour, 1.5 * one, one, 3 * one);
    }
    ctx.restore();
    ctx.fillStyle = colours.accent;
    const bar = 3 * one;
    if (g.seenX < C) ctx.fillRect(panel.x + panel.w * g.x0 / C, panel.y + panel.h - bar, Math.max(bar, panel.w * g.seenX / C), bar);
    if (g.seenY < R) ctx.fillRect(panel.x + panel.w - bar, panel.y + panel.h * g.y0 / R, bar, Math.max(bar, panel.h * g.seenY / R));
  }
}

// Boxes of what is selected: a row, a column in every band, a block, or its rows where the order tears it apart.
function extent({ R, C, blocks }, order, { kind, row, column, block }) {
  const whole = r => ({ i0: order.rowAt[r], i1: order.rowAt[r] + 1, j0: 0, j1: C });
  if (kind === "row") return [whole(row)];
  if (kind === "column") return order.bands.map(({ start, stop, colAt }) => ({ i0: start, i1: stop, j0: colAt[column], j1: colAt[column] + 1 }));
  const box = order.boxesOf()[block];
  return box ? [box] : Array.from(blocks[block].rows, whole);
}
