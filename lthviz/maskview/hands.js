// What hands do to the picture. Plain scrolling stays the page's until the picture was clicked; Ctrl (⌘) and scroll zooms anywhere over it, as
// does a pinch, and dragging pans.
// A click selects: the block or row of a weight, with Shift its column, with Alt its row.
function listen(view) {
  const on = (target, type, act, more = {}) => target.addEventListener(type, act, { signal: view.listening.signal, ...more });
  const fingers = new Map();
  let drag = null;
  view.how.textContent = `${CTRL} + scroll zooms (after a click, scroll alone), drag pans, arrows move`;
  const grip = moved => {
    const [a, b] = [...fingers.values()];
    const { cx, cy, t } = view.kept;
    drag = a ? { x: a.clientX, y: a.clientY, cx, cy, t, apart: b ? apart(a, b) : 0, moved } : null;
  };
  on(view.marks, "pointerdown", e => {
    if (e.button) return;
    fingers.set(e.pointerId, e);
    view.marks.setPointerCapture(e.pointerId);
    grip(fingers.size > 1);
  });
  on(view.marks, "pointermove", e => {
    if (!fingers.has(e.pointerId)) return view.point(cellAt(view, e));
    fingers.set(e.pointerId, e);
    const [a, b] = [...fingers.values()];
    if (b) return zoomTo(view, drag.t + Math.log2(apart(a, b) / drag.apart) / 4);
    const dx = a.clientX - drag.x, dy = a.clientY - drag.y;
    drag.moved ||= Math.hypot(dx, dy) > 4;
    if (!drag.moved || !view.zoomed) return;
    view.marks.classList.add("panning");
    panTo(view, drag.cx - dx * view.shape.ratio * view.shape.perX, drag.cy - dy * view.shape.ratio * view.shape.perY);
  });
  const lift = e => {
    if (!fingers.delete(e.pointerId)) return;
    view.marks.classList.remove("panning");
    const cell = cellAt(view, e);
    if (e.type === "pointerup" && !drag.moved && cell) pick(view, e.shiftKey ? "column" : e.altKey ? "row" : "auto", cell);
    grip(true);
  };
  on(view.marks, "pointerup", lift);
  on(view.marks, "pointercancel", lift);
  on(view.marks, "pointerleave", () => view.point(null));
  on(view.marks, "wheel", e => {
    const clicked = view.marks.getRootNode().activeElement === view.marks;
    if (!e.ctrlKey && !e.metaKey && !clicked) return advise(view);
    if (!e.ctrlKey && !e.metaKey && e.deltaY > 0 && !view.zoomed) return;           // all is seen: scrolling down is the page's again
    e.preventDefault();
    const cell = cellAt(view, e), box = view.marks.getBoundingClientRect(), { ratio } = view.shape;
    zoomBy(view, -Math.max(-60, Math.min(60, e.deltaY)) / 800,
      cell && { x: (e.clientX - box.left) * ratio - cell.panel.x, y: (e.clientY - box.top) * ratio - cell.panel.y });
  }, { passive: false });
  on(view.marks, "keydown", e => { if (key(view, e)) { e.preventDefault(); e.stopPropagation(); } });
  on(document, "keydown", e => {                          // D and G work wherever nothing is being typed
    if (typing(e.composedPath()[0]) || e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key.toLowerCase() === "d") difference(view);
    else if (e.key.toLowerCase() === "g") setOrder(view, view.kept.order === "original" ? "grouped" : "original");
  });
}

const typing = target => target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName)
  || target.tagName === "INPUT" && !/^(checkbox|radio|range|button)$/.test(target.type);

const apart = (a, b) => Math.max(1, Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY));

const CTRL = /Mac|iP/.test(navigator.platform) ? "⌘" : "Ctrl";

// How to zoom, said twice at most: whoever scrolls past the picture wants to go on.
function advise(view) {
  if (view.hint.classList.contains("on") || view.kept.advised >= 2) return;
  view.kept.advised = (view.kept.advised ?? 0) + 1;
  view.hint.textContent = `${CTRL} and scroll to zoom, or click first`;
  view.hint.classList.add("on");
  setTimeout(() => view.hint.classList.remove("on"), 1400);
}

const FAR = 16;        // weights that an arrow key with Shift, or a page key, jumps over

// True when the key meant something here.
function key(view, e) {
  if (e.ctrlKey || e.metaKey || e.altKey) return false;
  const { kept, across: C } = view, far = e.shiftKey ? FAR : 1;
  const move = { ArrowUp: [-far, 0], ArrowDown: [far, 0], ArrowLeft: [0, -far], ArrowRight: [0, far], Home: [0, -C], End: [0, C],
    PageUp: [-FAR, 0], PageDown: [FAR, 0] }[e.key];
  if (move) moveCursor(view, ...move);
  else if (e.key === "+" || e.key === "=") zoomBy(view, 0.12);
  else if (e.key === "-" || e.key === "_") zoomBy(view, -0.12);
  else if (e.key === "0") zoomTo(view, 0);
  else if (e.key === "Enter" && kept.cursor) pick(view, e.shiftKey ? "column" : "auto", kept.cursor);
  else if (e.key === "Escape" && (kept.cursor || kept.picked)) forget(view);
  else if (e.key.toLowerCase() === "d") difference(view);
  else if (e.key.toLowerCase() === "g") setOrder(view, kept.order === "original" ? "grouped" : "original");
  else if (e.key.toLowerCase() === "k" && e.shiftKey) setCells(view, kept.cells === "kernels" ? "weights" : "kernels");
  else if (e.key.toLowerCase() === "w" && view.layer.head.shadable) setShade(view, !kept.shade);
  else if (e.key.toLowerCase() === "s") savePicture(view);
  else return false;
  return true;
}
