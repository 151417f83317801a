// The window: which rows and columns of the picture are seen, to read, to copy, to type, and to hand on in a link. Places are counted from
// 0, both ends included, in the order and the cells that are shown. A window that was typed or linked fills the panel exactly.
const SETTLED_MS = 600;                    // after the last turn of the wheel a window is told to the page

// "" where the whole layer is seen.
function windowText({ shape: g, layer: { R }, across }) {
  const ends = (start, seen, most) => [Math.max(0, Math.floor(start + 1e-6)), Math.min(most, Math.ceil(start + seen - 1e-6)) - 1];
  if (g.seenX >= across - 1e-6 && g.seenY >= R - 1e-6) return "";
  return `${ends(g.y0, g.seenY, R).join("-")},${ends(g.x0, g.seenX, across).join("-")}`;
}

// {i0, i1, j0, j1} (ends excluded) of a text with four numbers, cut to the layer; null for the whole layer; undefined for anything else.
function windowOf(text, R, across) {
  if (!text.trim() || /^\s*(all|whole|fit)\s*$/i.test(text)) return null;
  const found = text.match(/\d+/g)?.map(Number);
  if (found?.length !== 4 || found[0] > found[1] || found[2] > found[3] || found[0] >= R || found[2] >= across) return undefined;
  const [i0, i, j0, j] = found, box = { i0, i1: Math.min(R, i + 1), j0, j1: Math.min(across, j + 1) };
  return box.i0 === 0 && box.j0 === 0 && box.i1 === R && box.j1 === across ? null : box;
}

// As people read it, and may type it.
function windowName(view) {
  const text = windowText(view), [rows, cols] = (text || `0-${view.layer.R - 1},0-${view.across - 1}`).split(",");
  return `rows ${rows.replace("-", "–")} × ${view.kernelled ? "kernels" : "columns"} ${cols.replace("-", "–")}`;
}

function showWindow(view) {
  const { field } = view, name = windowName(view);
  if (!field || field.matches(":focus") && field.dirty) return;
  if (field.value !== name) field.value = name;
  const size = Math.max(18, name.length);
  if (field.size !== size) field.size = size;
  refuse(view, "");
}

function refuse({ field, readout }, why) {
  field.setAttribute("aria-invalid", !!why);
  field.title = why || "Which rows and columns are shown, counted from 0: copy it, or type others and press Enter; empty: the whole layer";
  if (why) readout.textContent = why;
}

function fields(view) {
  const { field } = view, on = (type, act) => field.addEventListener(type, act, { signal: view.listening.signal });
  on("input", () => { field.dirty = true; });
  on("keydown", e => {
    e.stopPropagation();                                             // arrows and letters are typed here
    if (e.key === "Escape") { field.dirty = false; showWindow(view); }
    if (e.key === "Enter") take(view);
  });
  on("change", () => take(view));
  on("blur", () => { field.dirty = false; showWindow(view); });
}

function take(view) {
  const { field, layer: { R }, across } = view;
  if (!field.dirty) return;
  const box = windowOf(field.value, R, across);
  if (box === undefined)
    return refuse(view, `“${field.value}” is no window: two numbers for rows from 0 to ${R - 1}, and two for ${view.kernelled ? "kernels" : "columns"} from 0 to ${across - 1}, as in 0–${Math.min(31, R - 1)} × 0–${Math.min(63, across - 1)}`);
  field.dirty = false;
  setWindow(view, box);
  report(view);
}
