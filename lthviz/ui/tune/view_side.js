// The threshold's own controls: slider, number, part, the way back to the start; and the numbers of the layer that follow them.
const FIGURES = { kept: ["kept weights", number], density: ["density", percent], coverage: ["in blocks", percent], blocks: ["blocks", number],
  magnitude: ["kept magnitude", percent] };
const MEANING = { kept: "Weights of this layer that stay", density: `Of this layer. ${TERMS.density}`,
  coverage: `The share of the layer's kept weights. Structured coverage: ${TERMS["structured coverage"]}`, blocks: `Of this layer. ${TERMS.block}`, magnitude: "Share of the sum of |w| over the unstructured mask's weights that stays" };
const PAUSE_MS = 150;                                       // after the last key

const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false, roundingMode: "halfEven" });       // as Python rounds
function percent(share) { return share === null ? "unknown" : `${tenths.format(100 * share)} %`; }

function dials(view) {
  const on = (target, type, act, more = {}) => target.addEventListener(type, act, { signal: view.listening.signal, ...more });
  const { slide, exact, back, choice, plot } = view;
  let keyed = false, drag = null;
  on(slide, "pointerdown", () => { keyed = false; });
  on(slide, "keydown", e => { keyed = true; if (turn(view, e)) e.preventDefault(); });
  on(slide, "input", () => view.turnTo(view.layer.kind.values[+slide.value]));
  on(slide, "change", () => view.settle(keyed ? PAUSE_MS : 0));
  on(exact, "input", () => view.typed());
  on(exact, "change", () => { view.typed(); view.follow(); view.settle(); });
  on(exact, "blur", () => { exact.classList.remove("wrong"); view.follow(); });
  on(exact, "keydown", e => { if (/^Arrow(Up|Down)$/.test(e.key) && turn(view, e)) e.preventDefault(); });
  on(back, "click", () => { view.turnTo(view.kept.start); view.settle(); });
  on(choice, "change", () => view.choosePart(+choice.value));
  on(plot, "keydown", e => { if (turn(view, e)) e.preventDefault(); });
  // A press alone moves nothing yet: it may begin to scroll the page. What moves it is a drag, or letting go where it was pressed.
  on(plot, "pointerdown", e => {
    if (e.button || drag || !view.plotted.grip) return;
    drag = { id: e.pointerId, x: e.clientX, y: e.clientY, from: view.kept.value, moved: false };
    plot.setPointerCapture(e.pointerId);
    view.plotted.grip.focus({ preventScroll: true });
    e.preventDefault();                                     // no text is selected
  });
  const moved = "onpointerrawupdate" in window ? "pointerrawupdate" : "pointermove";      // as it happens, on secure pages; else with the next frame
  on(plot, moved, e => {
    if (drag?.id !== e.pointerId) return;
    drag.moved ||= Math.hypot(e.clientX - drag.x, e.clientY - drag.y) > 2;
    if (drag.moved && !view.dragging) { view.dragging = true; plot.classList.add("held"); view.told(view.plotted.point(null)); }
    if (drag.moved) view.turnTo(view.plotted.valueAt(e), true);
  });
  on(plot, "pointermove", e => { if (!drag && e.pointerType !== "touch") view.told(view.plotted.point(e)); });
  const lift = e => {
    if (drag?.id !== e.pointerId) return;
    const gone = e.type === "pointercancel";
    if (gone) view.turnTo(drag.from);
    else view.turnTo(view.plotted.valueAt(e));
    drag = null;
    view.dragging = false;
    plot.classList.remove("held");
    if (!gone) view.settle();
  };
  on(plot, "pointerup", lift);
  on(plot, "pointercancel", lift);
  on(plot, "pointerleave", () => { if (!drag) view.told(view.plotted.point(null)); });
  on(plot, "keydown", e => {
    if (e.key !== "Escape" || !drag) return;
    view.turnTo(drag.from);
    drag = null;
    view.dragging = false;
    plot.classList.remove("held");
  });
}

// An arrow key turns the threshold by a step; Refill's mark by a channel.
function turn(view, e) {
  if (e.ctrlKey || e.metaKey || e.altKey) return false;
  const { layer, kept } = view, { kind, R, C, nnz, head } = layer, far = e.shiftKey ? 10 : 1;
  const by = { ArrowRight: far, ArrowUp: far, ArrowLeft: -far, ArrowDown: -far, PageUp: kind.far, PageDown: -kind.far }[e.key];
  const end = { Home: kind.values[0], End: kind.values.at(-1) }[e.key];
  if (by === undefined && end === undefined) return false;
  if (end !== undefined) view.turnTo(end, true);
  else if (e.currentTarget === view.plot && kind.name === "rho" && !head.fractional) view.turnTo(rhoFor(Math.max(1, Math.min(R, layer.full + by)), nnz, R, C), true);
  else view.turnTo(stepped(kind, kept.value, by), true);
  view.settle(PAUSE_MS);
  e.stopPropagation();
  return true;
}

// What the controls are of this layer and structure.
function dress(view) {
  const { layer, slide, exact, choice, what } = view, { kind, head, parts } = layer;
  what.textContent = kind.sign;
  Object.assign(slide, { min: 0, max: kind.values.length - 1, step: 1 });
  slide.setAttribute("aria-label", kind.sign);
  Object.assign(exact, { min: kind.low, max: kind.high, step: "any" });
  exact.setAttribute("aria-label", `${kind.sign}, exactly`);
  what.title = TERMS[kind.name];
  slide.setAttribute("aria-description", TERMS[kind.name]);
  view.why.title = parts ? `L(i): ${TERMS["L(i)"]}` : "";
  view.partRow.hidden = !(parts?.length > 1);
  choice.replaceChildren(...(parts ?? []).map(({ number: n, size, block }) =>
    new Option(`group ${n} of ${parts.length} · ${size} row${size === 1 ? "" : "s"}${block ? "" : " · no block"}`, n)));
  view.numbers.replaceChildren(...Object.entries(FIGURES).filter(([name]) => name !== "magnitude" || head.kept !== null).map(([name, [title]]) => {
    const cell = document.createElement("div");
    cell.append(...["dt", "dd", "dd"].map(tag => document.createElement(tag)));
    cell.children[0].textContent = title;
    Object.assign(cell, { title: MEANING[name] });
    cell.dataset.figure = name;
    cell.children[2].className = "was";
    return cell;
  }));
}

// What is written about the value now.
function write(view) {
  const { layer, slide, exact, back, kept, first } = view, { kind, figures } = layer, { value, start } = kept;
  const place = `${nearest(kind.values, value)}`;
  if (slide.value !== place) slide.value = place;
  slide.setAttribute("aria-valuetext", `${kind.sign} ${value}`);
  if (exact.getRootNode().activeElement !== exact || !view.typing) exact.value = value;
  const was = `Back to ${start}`;
  if (back.textContent !== was) back.textContent = was;
  back.disabled = value === start;
  for (const cell of view.numbers.children) {
    const name = cell.dataset.figure, [, spell] = FIGURES[name], now = spell(figures[name]), then = first[name] === undefined ? now : spell(first[name]), was = now === then ? "" : `was ${then}`;
    if (cell.children[1].textContent !== now) cell.children[1].textContent = now;
    if (cell.children[2].textContent !== was) cell.children[2].textContent = was;
  }
  const why = whyWords(layer, view.part, value);
  if (view.why.textContent !== why) view.why.textContent = why;
  if (layer.parts && view.part && +view.choice.value !== view.part.number) view.choice.value = view.part.number;
}

// Why the mask is what it is, in a sentence with its numbers.
function whyWords(layer, part, value) {
  const { head, R, C, nnz } = layer, s = n => n === 1 ? "" : "s";
  if (head.kind === "refill") {
    const x = number4.format(nnz / C), sum = `${x} + (${R} − ${x}) × ${value}`;
    if (!nnz) return head.fractional && !value ? "Empty: no weight of this layer is left, so none of its channels stays."
      : `Empty: no weight of this layer was left; ${number(layer.full)} channel${s(layer.full)} ${layer.full === 1 ? "is" : "are"} filled all the same.`;
    if (!head.fractional) return `K = ⌈x + (C − x)·ρ⌉ = ⌈${sum}⌉ = ${number(layer.full)} channel${s(layer.full)} stay${layer.full === 1 ? "s" : ""} whole; x = weights ÷ columns.`;
    return `x + (C − x)·ρ = ${sum}: ${number(layer.full)} whole channel${s(layer.full)}`
      + (layer.rest ? ` and the ${number(layer.rest)} largest weights of the next${layer.guessed ? ", which is shown whole until you let go" : ""}.` : ".");
  }
  if (!head.divided) return "Empty: no weight of this layer is left, so there is nothing to cut.";
  if (!layer.blocks.length)
    return `Makes no block, whatever t1 is: no group of rows has more than ${number(head.min_rows)} row${s(head.min_rows)}. The layer keeps its unstructured mask.`;
  if (!part) return "";
  if (!part.block) return `Group ${part.number} makes no block: it has ${number(part.size)} row${s(part.size)}, no more than ${number(head.min_rows)}. Its weights ${head.stay ? "stay" : "go"}.`;
  const left = part.left[part.cut - 1];
  return `Group ${part.number}: ${number(part.size)} row${s(part.size)} × ${number(part.cut)} column${s(part.cut)}, the first i above t1·L(i) = ${value} × ${number(left)} = ${number4.format(value * left)}.`;
}

// The mask in words, for those who do not see it; the same as figures.mask_text.
function spokenWords(layer) {
  const { head, R, C, counts } = layer, on = counts[KEPT] + counts[ADDED];
  let empty = 0;
  for (let r = 0; r < R; r++) if (!layer.width[r] && !(layer.stays[r] && layer.had[r]) && layer.odd?.row !== r) empty++;
  return `Mask of ${head.name}: ${number(R)} output channels by ${number(C)} weights each, ${number(on)} of ${number(R * C)} kept (${tenths.format(100 * on / (R * C))} percent)`
    + (empty ? `; ${number(empty)} output channel${empty === 1 ? " is" : "s are"} removed whole.` : ".")
    + ` Against the mask before, ${number(counts[KEPT])} weights stay, ${number(counts[ADDED])} are added and ${number(counts[REMOVED])} removed. ${head.keys}`;
}
