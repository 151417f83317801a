// All layers at a glance: a small picture of each mask. One of them is chosen, as in a group of radio buttons: arrow keys, Home and End move,
// a click or the key chooses at once, and Python hears of it.
const kept = new WeakMap();

export default ({ data, parentElement, setTriggerValue }) => {
  const strip = parentElement.querySelector(".strip"), was = kept.get(strip);
  const look = JSON.stringify([data.layers, data.label]);
  const state = was ?? {};
  kept.set(strip, state);
  state.choose = name => setTriggerValue("choose", name);
  const anew = state.look !== look;
  if (anew) {
    const held = strip.contains(strip.getRootNode().activeElement);
    state.look = look;
    strip.setAttribute("aria-label", data.label);
    strip.replaceChildren(...data.layers.map((layer, i) => item(strip, layer, i, state)));
    if (held) [...strip.children].find(b => b.dataset.layer === data.current)?.focus({ preventScroll: true });
  }
  if (anew || state.now !== data.current || state.marked !== data.current) mark(strip, data.current, !was || state.now !== data.current);
  state.now = state.marked = data.current;
};

function item(strip, { name, short, density, alt, image }, i, state) {
  const b = document.createElement("button"), img = document.createElement("img"), label = document.createElement("span"), share = document.createElement("span");
  Object.assign(b, { type: "button", title: alt });
  b.setAttribute("role", "radio");
  b.setAttribute("aria-label", alt);
  b.dataset.layer = name;
  Object.assign(img, { src: image, alt: "", draggable: false });
  label.className = "short";
  label.append(Object.assign(document.createElement("bdi"), { textContent: short }));        // cut at its beginning: names differ at their end
  share.className = "share";
  share.textContent = density;
  b.append(img, label, share);
  const go = to => {
    const target = strip.children[Math.max(0, Math.min(strip.children.length - 1, to))];
    mark(strip, target.dataset.layer, true);
    target.focus({ preventScroll: true });
    if (state.marked !== target.dataset.layer) state.choose(state.marked = target.dataset.layer);
  };
  b.onclick = () => go(i);
  b.onkeydown = e => {
    const to = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: strip.children.length - 1 }[e.key];
    if (to === undefined || e.ctrlKey || e.metaKey || e.altKey) return;
    e.preventDefault();
    e.stopPropagation();
    go(to);
  };
  return b;
}

// Scrolls the strip sideways alone, never the page.
function mark(strip, name, bring) {
  for (const b of strip.children) {
    const here = b.dataset.layer === name;
    b.setAttribute("aria-checked", here);
    b.tabIndex = here ? 0 : -1;
    if (here && bring) {
      const left = b.offsetLeft - strip.offsetLeft, right = left + b.offsetWidth;
      if (left < strip.scrollLeft) strip.scrollLeft = left - 8;
      else if (right > strip.scrollLeft + strip.clientWidth) strip.scrollLeft = right - strip.clientWidth + 8;
    }
  }
}
