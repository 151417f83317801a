// The buttons above the picture, and the legend below it, which counts each state and can show one alone.
function buttons(view) {
  const button = (parent, text, label, act) => {
    const b = parent.appendChild(document.createElement("button"));
    Object.assign(b, { type: "button", textContent: text, title: label });
    if (text.length < 2) b.setAttribute("aria-label", label);
    b.addEventListener("click", act, { signal: view.listening.signal });
    return b;
  };
  for (const group of [view.modes, view.kinds, view.orders, view.shades, view.zoom, view.save]) group.replaceChildren();
  view.modeButtons = Object.entries(MODES).map(([mode, [text, label]]) => [mode, button(view.modes, text, label, () => setMode(view, mode))]);
  view.orderButtons = Object.entries(ORDERS).map(([order, [text, label]]) => [order, button(view.orders, text, label, () => setOrder(view, order))]);
  view.kindButtons = Object.entries(CELLS).map(([cells, [text, label]]) => [cells, button(view.kinds, text, label, () => setCells(view, cells))]);
  view.shadeButton = button(view.shades, "|w|", "Shade kept weights by their size after training (W)", () => setShade(view, !view.kept.shade));
  view.shadeButton.setAttribute("aria-label", "Shade kept weights by |w|, their size after training");
  button(view.save, "PNG", "Save this picture with its title and legend (S)", () => savePicture(view));
  button(view.zoom, "−", "Zoom out (−)", () => zoomBy(view, -0.12));
  button(view.zoom, "+", "Zoom in (+)", () => zoomBy(view, 0.12));
  button(view.zoom, "Fit", "Show the whole layer (0)", () => zoomTo(view, 0));
}

function controls(view) {
  const { kept, layer, mode, both } = view, { counts, R, C } = layer;
  view.kinds.hidden = !layer.kernels;
  view.shades.hidden = !layer.head.shadable;
  for (const [cells, b] of view.kindButtons) b.setAttribute("aria-pressed", (cells === "kernels") === view.kernelled);
  view.shadeButton.setAttribute("aria-pressed", !!kept.shade);
  tellRamp(view);
  for (const [name, b] of view.modeButtons) able(b, name === mode, layer.paired);       // disabled, not gone: the picture keeps its place
  for (const [order, b] of view.orderButtons) able(b, order === (layer.orders.grouped ? kept.order : "original"), !!layer.orders.grouped);
  const other = mode === "before" ? REMOVED : ADDED;
  const rows = both ? Object.entries({ kept: KEPT, added: ADDED, removed: REMOVED, never: NEVER }).map(([name, code]) => [name, code, counts[code]])
    : [["kept", KEPT, counts[KEPT] + counts[other]], ["pruned", NEVER, R * C - counts[KEPT] - counts[other]]];
  view.legend.classList.toggle("alone", both && kept.only !== null);
  const look = `${rows.map(([name]) => name)} ${view.dark} ${window.devicePixelRatio} ${letters()}`;       // buttons stay while only their numbers change
  if (view.legend.look !== look) {
    view.legend.replaceChildren(...rows.map(([name, code]) => {
      const b = document.createElement("button"), words = document.createElement("span"), count = document.createElement("b");
      words.append(`${name} `, count, "");
      b.append(swatch(view, [0, 2, 3, 1][code]), words);
      Object.assign(b, { type: "button", disabled: !both, title: both ? `Show ${name} alone; again: everything` : "" });
      b.dataset.state = name;
      b.onclick = () => showOnly(view, code);
      return b;
    }));
    view.legend.look = look;
  }
  rows.forEach(([, code, n], i) => {
    const b = view.legend.children[i], [, count, share] = b.lastChild.childNodes;
    b.setAttribute("aria-pressed", both && kept.only === code);
    if (b.shown === `${n} ${R * C}`) return;
    b.shown = `${n} ${R * C}`;
    b.dataset.count = n;
    count.textContent = number(n);
    share.nodeValue = ` (${(100 * n / (R * C)).toFixed(1)} %)`;
  });
}

function able(button, pressed, enabled) {
  button.setAttribute("aria-pressed", pressed);
  button.disabled = !enabled;
}

// Below the legend: what the shades mean, or why there are none.
function tellRamp(view) {
  const { ramp: line, layer, kept } = view, { shades, why = "", shadable } = layer.head, text = !kept.shade || !shadable ? "" : view.shaded ? rampWords(layer) : shades ? "" : why;
  const look = `${text} ${view.dark}`;
  line.hidden = !shadable;
  if (line.look === look) return;
  line.look = look;
  line.replaceChildren(...(view.shaded && text ? [ramp(view)] : []), text);
}

// A square in a state's colour and hatch, painted as the picture is.
function swatch(view, state) {
  const canvas = document.createElement("canvas"), ratio = (window.devicePixelRatio || 1) * letters(), size = canvas.width = canvas.height = Math.round(14 * ratio);
  const image = new ImageData(size, size), lone = { line: (i, j0, j1, out) => out.fill(1) };
  const cell = { x0: 0, y0: 0, perX: 1 / size, perY: 1 / size, hair: false };
  paint(new Uint32Array(image.data.buffer), size, size, lone, 1, 1, cell, [0, state, 0, 0], view.ink, hatch(ratio));
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
