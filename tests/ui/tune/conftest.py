"""A blank page that holds the live view's functions, and a real page that shows it."""

import pytest

from lthviz.ui.tune import view
from tests.tuned import SCRIPT

# Reads every number that the component would show: codes of all cells from line(), and from count() in pixels of several sizes.
ORACLE = """
window.bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const text = array => { let s = ""; for (let i = 0; i < array.length; i += 8192) s += String.fromCharCode(...array.subarray(i, i + 8192)); return btoa(s); };
window.open_layer = data => { window.layer = readLive(...readHead(bytes(data))); };
window.look = (value, pixels) => {
  layer.set(value);
  const { R, C } = layer, out = { counts: layer.counts, figures: layer.figures, cuts: layer.parts?.map(p => p.cut), full: layer.full, rest: layer.rest,
    guessed: !!layer.guessed, spoken: spokenWords(layer), codes: {}, sums: {}, rows: Array.from(layer.rows) };
  for (const name of ["original", "grouped"]) {
    const order = layer.orders[name], all = new Uint8Array(R * C), line = new Uint8Array(C);
    for (let i = 0; i < R; i++) { order.line(i, 0, C, line); all.set(line, i * C); }
    out.codes[name] = text(all);
    out.sums[name] = pixels.map(([w, h]) => {
      const perX = C / w, perY = R / h, cols = edges(w, 0, perX, C), rows = edges(h, 0, perY, R), counts = new Int32Array(w), flat = [];
      for (let y = 0; y < h; y++) {
        order.count(rows[y], perY > 1 ? rows[y + 1] : rows[y] + 1, cols, perX > 1, counts);
        flat.push(...counts);
      }
      return flat;
    });
  }
  const natural = new Uint8Array(R * C), blocks = new Int16Array(R * C);
  for (let r = 0; r < R; r++) for (let c = 0; c < C; c++) { natural[r * C + c] = layer.codeAt(r, c); blocks[r * C + c] = layer.blockAt(r, c); }
  return { ...out, natural: text(natural), blocks: text(new Uint8Array(blocks.buffer)), boxes: layer.orders.grouped.boxesOf() };
};
Object.assign(window, { whyWords, cutOf, channelsOf, rhoFor, fraction, stepped, nearest, KINDS });
"""


@pytest.fixture(scope="module")
def lab(browser):
    """A blank page that holds the component's functions."""
    page, errors = browser.new_page(), []
    page.on("pageerror", lambda e: errors.append(str(e)))
    code = view.script().replace("export default", "window.mount =") + ORACLE
    page.add_script_tag(content=code, type="module")
    page.wait_for_function("!!window.look")
    yield page
    page.close()
    assert not errors


@pytest.fixture(scope="module")
def url(serve):
    return serve(SCRIPT)


@pytest.fixture(scope="module")
def context(browser):
    with browser.new_context(has_touch=True) as context:
        yield context


@pytest.fixture
def show(show):
    """As for every view, with motion; on a phone all of it is seen at once."""
    return lambda query="", *, width=1280, dark=False: show(query, width=width, height=1300 if width < 500 else 900, dark=dark, still=False)
