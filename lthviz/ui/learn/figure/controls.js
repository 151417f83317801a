// What chooses the frame: named steps, a range, or a few alternatives. Each is { element, mark(place) }; `turn(place)` tells the figure.
const KINDS = { steps, slider, choice };

function make(tag, className = "", text = "", attributes = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function button(className, text, attributes, act) {
  const b = make("button", className, text, { type: "button", ...attributes });
  b.addEventListener("click", act);
  return b;
}

function steps({ name, texts, help }, turn) {
  const element = make("div", "steps", "", { role: "group", "aria-label": name }), list = make("ol");
  let at = 0;
  const back = button("turn", "←", { "aria-label": "Previous step" }, () => turn(at - 1));
  const next = button("turn", "→", { "aria-label": "Next step" }, () => turn(at + 1));
  const marks = texts.map((text, i) => {
    const b = button("step", "", {}, () => turn(i)), item = make("li");
    b.append(make("span", "count", String(i + 1)), " ", make("span", "what", text));
    item.append(b);
    list.append(item);
    return b;
  });
  element.append(back, list, next);
  return {
    element: helped(element, help),
    mark(place) {
      at = place;
      marks.forEach((b, i) => i === place ? b.setAttribute("aria-current", "step") : b.removeAttribute("aria-current"));
      for (const [b, off] of [[back, place === 0], [next, place === texts.length - 1]]) b.setAttribute("aria-disabled", off);
    },
  };
}

function slider({ name, texts, help }, turn) {
  const element = make("label", "slider"), head = make("span", "head"), now = make("span", "now");
  const range = make("input", "", "", { type: "range", min: 0, max: texts.length - 1, step: 1, "aria-label": name });
  now.style.minWidth = `${Math.max(...texts.map(t => t.length))}ch`;
  head.append(make("span", "what", name), now);
  element.append(head, range);
  range.addEventListener("input", () => turn(+range.value));
  return {
    element: helped(element, help),
    mark(place) {
      if (+range.value !== place) range.value = place;
      range.style.setProperty("--share", texts.length > 1 ? place / (texts.length - 1) : 0);
      range.setAttribute("aria-valuetext", texts[place]);
      now.textContent = texts[place];
    },
  };
}

function choice({ name, texts, help }, turn) {
  const element = make("div", "choice"), seg = make("div", "seg", "", { role: "group", "aria-label": name });
  const all = texts.map((text, i) => button("", text, {}, () => turn(i)));
  seg.append(...all);
  element.append(make("span", "what", name, { "aria-hidden": "true" }), seg);
  return { element: helped(element, help), mark: place => all.forEach((b, i) => b.setAttribute("aria-pressed", i === place)) };
}

function helped(element, help) {
  if (!help) return element;
  const both = make("div", "helped");
  both.append(element, make("span", "help", help));
  return both;
}

// Where the arrow keys mean something else than a step.
const OWN = "input, textarea, select, [contenteditable], [role=grid], [role=radiogroup], [role=tablist], [role=slider], [role=listbox], [role=menu], [role=combobox], [role=application], [role=dialog], dialog";

const busy = e => e.composedPath().some(x => x.matches?.(OWN));

const plainKey = e => !e.ctrlKey && !e.metaKey && !e.altKey && !e.shiftKey && !e.defaultPrevented;
