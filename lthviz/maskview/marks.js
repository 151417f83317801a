// What lies over the cells: outlines of blocks, what is selected, the cursor, and two bars that tell where in the layer one is.
function drawMarks(view) {
  const { shape: g } = view, ctx = view.marks.getContext("2d");
  ctx.clearRect(0, 0, g.width, g.height);
  outline(view, ctx, [[view.kept.cursor, view.colours.accent], [view.hover, view.colours.text]]);
  bars(view, ctx);
}

// Blocks, what is selected, and `cells`, each [cell, colour].
function outline(view, ctx, cells) {
  const { shape: g, kept, layer, order, colours, across: C } = view, one = g.ratio * g.large;
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
    ctx.rect(panel.x - 5 * one, panel.y - 5 * one, panel.w + 10 * one, panel.h + 10 * one);     // the line of a row at the edge lies outside as well
    ctx.clip();
    for (const box of order.boxesOf()) if (box && (box.i1 - box.i0) / g.perY >= 3 * one) frame(box, colours.text, one);
    const bar = (colour, x, y, w, h) => { ctx.fillStyle = colour; ctx.fillRect(x, y, w, h); };
    const box = kept.picked && extent(layer, order, kept.picked, C);
    if (Array.isArray(box)) for (const part of box) {                  // accent inside, so that it is seen on added weights too, which have its hue
      frame(part, colours.text, 4 * one, 0, 4 * one);
      frame(part, colours.accent, 1.5 * one, 0, 2 * one);
    }
    else if (box) {                                         // torn apart here: ticks at the edges for its rows and columns
      const tick = 9 * one, thick = cell => Math.max(one, 1 / cell);
      for (const [colour, more] of [[colours.paper, 2 * one], [colours.accent, 0]]) {
        for (const i of box.rows) bar(colour, panel.x, Y(i) - more / 2, tick + more, thick(g.perY) + more);
        for (const [start, j] of box.cols) bar(colour, X(j) - more / 2, Y(start), thick(g.perX) + more, tick + more);
      }
    }
    for (const [cell, colour] of cells) if (cell) {
      const { i, j, i1 = i + 1, j1 = j + 1 } = cell;
      frame({ i0: i, i1, j0: j, j1 }, colour, 1.5 * one, one, 3 * one);
    }
    ctx.restore();
  }
}

// Where in the layer one is, along the edges of what is zoomed.
function bars({ shape: g, layer: { R }, colours, across: C }, ctx) {
  const thin = 4 * g.ratio * g.large, bar = (colour, x, y, w, h) => { ctx.fillStyle = colour; ctx.fillRect(x, y, w, h); };
  for (const panel of g.panels) {
    const right = panel.x + panel.w - thin, below = panel.y + panel.h - thin;
    for (const [colour, start, size] of [[colours.paper, 0, 1], [colours.text, null, 0]]) {
      if (g.seenX < C) bar(colour, panel.x + panel.w * (start ?? g.x0 / C), below, panel.w * (size || g.seenX / C) + (size ? 0 : thin), thin);
      if (g.seenY < R) bar(colour, right, panel.y + panel.h * (start ?? g.y0 / R), thin, panel.h * (size || g.seenY / R) + (size ? 0 : thin));
    }
  }
}

// What is said under the picture, beside the cell as well: the line below may be off the screen. It lies right below the cell, or above or
// left of it where there is no room.
function drawTip({ tip, stage, shape: g, hover, kept, layer, order, shaded }) {
  const cell = hover ?? kept.cursor, panel = hover?.panel ?? g.panels.at(-1);
  const [x, y, y1] = cell ? [panel.x + ((cell.j1 ?? cell.j + 1) - g.x0) / g.perX, panel.y + (cell.i - g.y0) / g.perY, panel.y + ((cell.i1 ?? cell.i + 1) - g.y0) / g.perY].map(v => v / g.ratio) : [];
  tip.hidden = !cell || x < 0 || y1 < 0 || x > stage.clientWidth + 40 || y > stage.clientHeight;
  if (tip.hidden) return;
  const text = cellWords(layer, order, cell, shaded), off = 14;
  if (tip.textContent !== text) tip.textContent = text;
  const { offsetWidth: w, offsetHeight: h } = tip, left = x + off + w <= stage.clientWidth ? x + off : Math.max(0, x - 2 * off - w);
  tip.style.translate = `${left}px ${y1 + off + h <= stage.clientHeight ? y1 + off : Math.max(0, y - off - h)}px`;
}

// Boxes of what is selected: a row, a column in every band, a block; where the order tears the block apart, its rows' and columns' places.
function extent({ blocks }, order, { kind, row, column, block }, C) {
  if (kind === "row") return [{ i0: order.rowAt[row], i1: order.rowAt[row] + 1, j0: 0, j1: C }];
  if (kind === "column") return order.bands.map(({ start, stop, colAt }) => ({ i0: start, i1: stop, j0: colAt[column], j1: colAt[column] + 1 }));
  const box = order.boxesOf()[block];
  if (box) return [box];
  const { start, colAt } = order.bands[order.bandOf[order.rowAt[row]]];
  return { rows: Array.from(blocks[block].rows, r => order.rowAt[r]), cols: Array.from(blocks[block].cols, c => [start, colAt[c]]) };
}
