// How near the layer is seen, and which part of it. (window.js reads and writes that part as text.)
function zoomBy(view, step, about) { zoomTo(view, view.kept.t + step, about); }

// about: device pixels {x, y} inside a panel that stay over their weight; else the cursor comes to the middle, or the middle stays.
function zoomTo(view, t, about = null) {
  const k = view.kept, g = view.shape;
  k.exact = null;
  k.t = t < 1e-6 ? 0 : Math.min(1, t);
  const next = shapeOf(view);
  if (about) panTo(view, g.x0 + about.x * g.perX + next.seenX / 2 - about.x * next.perX, g.y0 + about.y * g.perY + next.seenY / 2 - about.y * next.perY);
  else if (k.cursor) panTo(view, k.cursor.j + 0.5, k.cursor.i + 0.5);
  else panTo(view, k.cx, k.cy);
}

function panTo(view, cx, cy) {
  const k = view.kept, { exact } = k;
  Object.assign(k, { cx, cy });
  if (exact) {
    const { i0, i1, j0, j1 } = exact, across = j1 - j0, down = i1 - i0, into = (x, most) => Math.max(0, Math.min(most, x));
    const j = into(cx - across / 2, view.across - across), i = into(cy - down / 2, view.layer.R - down);
    k.exact = { i0: i, i1: i + down, j0: j, j1: j + across };
  }
  const g = shapeOf(view);                                 // where the middle can really be
  Object.assign(k, { cx: g.x0 + g.seenX / 2, cy: g.y0 + g.seenY / 2 });
  view.hover = null;
  reportSoon(view);
  view.ask();
}

// box {i0, i1, j0, j1} of places, null: the whole layer. Zooming goes on from about as near.
function setWindow(view, box) {
  const k = view.kept;
  if (!box) Object.assign(k, { exact: null, t: 0 });
  else frameOn(view, box);
  view.hover = null;
  if (view.shape) view.draw();
}

function frameOn(view, box) {
  Object.assign(view.kept, { exact: box, cx: (box.j0 + box.j1) / 2, cy: (box.i0 + box.i1) / 2 });
  view.kept.t = nearness(view);
}
