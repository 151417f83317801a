"""What the live view says and how it is laid out."""

import re

import pytest
from playwright.sync_api import expect

from lthviz.core.regroup import cut
from lthviz.glossary import TERMS
from tests.tuned import example, follows, found, middle, plant

pytestmark = pytest.mark.browser


def test_the_part_under_the_pointer_and_the_chosen_block_show_their_curve(show):
    page = show("")
    choice = page.get_by_label("Group whose curve is shown")
    canvas, box = page.locator("canvas.marks"), page.locator("canvas.marks").bounding_box()
    assert choice.input_value() == "1"
    canvas.hover(position={"x": 10, "y": box["height"] - 10})
    expect(page.locator(".why")).to_contain_text("Group 4:")
    canvas.click(position={"x": 10, "y": box["height"] - 10})
    page.mouse.move(5, 5)
    expect(choice).to_have_value("4")
    choice.select_option("2")
    before, _, owner, _ = plant((60, 10, 3, 3))
    part = found(before, owner)[1]
    expect(page.locator(".why")).to_contain_text(f"Group 2: {part.rows.size} rows × {cut(part, 1.5)} columns, the first i above t1·L(i) = 1.5 × {part.left[cut(part, 1.5) - 1]}")
    expect(page.locator(".count")).to_have_text(f"{cut(part, 1.5)} columns")
    page.mouse.move(*middle(page, 0.6, 0.6))
    told = re.fullmatch(r"i = (\d+): L = (\d+), the line is at ([\d.]+)\.", page.locator(".told").inner_text())
    assert int(told[2]) == part.left[int(told[1]) - 1] and float(told[3]) == pytest.approx(int(told[1]) / 1.5, rel=1e-3)


def test_what_makes_no_block_says_so(show):
    page = show("min=60")
    expect(page.locator(".why")).to_have_text("Makes no block, whatever t1 is: no group of rows has more than 60 rows. The layer keeps its unstructured mask.")
    before, _ = example(t1=1.5)
    follows(page, before, before)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("kind", ["regroup", "refill"])
def test_a_phone_shows_all_of_it_in_its_width(show, kind, dark):
    page = show(f"kind={kind}", width=390, dark=dark)
    assert page.locator(".tv").get_attribute("data-theme") == ("dark" if dark else "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    stage, plot = page.locator(".stage").bounding_box(), page.locator(".plot").bounding_box()
    assert plot["y"] > stage["y"] + stage["height"] and plot["x"] >= 0 and plot["x"] + plot["width"] <= 390
    texts = page.locator(".plot text").evaluate_all("all => all.map(e => [e.getBoundingClientRect().left, e.getBoundingClientRect().right])")
    assert all(a >= 0 and b <= 390 for a, b in texts)


def test_nothing_jumps_while_it_is_turned(show):
    page = show("")
    heights = set()
    for key in ("ArrowRight", "End", "Home", "PageUp"):
        page.locator(".slide").focus()
        page.keyboard.press(key)
        page.wait_for_timeout(60)
        heights.add(page.locator(".tv").bounding_box()["height"])
    assert len(heights) == 1


def test_numbers_are_held_against_what_python_says_was_there(show):
    """Where the layer was divided otherwise before: what of it is not known is not said."""
    page = show("was=1")
    before, after = example(t1=1.5)
    follows(page, before, after)
    assert page.locator(".figures .was").all_inner_texts() == ["was 7", "was 50.0 %", "", "", ""]


@pytest.mark.parametrize("kind", ["regroup", "refill"])
def test_larger_letters_of_the_page_enlarge_the_curve_and_the_dials(show, kind):
    """What presenter mode asks of a view: the root's font size. Lengths in the curve follow its letters, so that none lie on one another."""
    page = show(f"kind={kind}", width=1440)
    sizes = r"""plot => { const of = e => e.getBoundingClientRect(), says = [...plot.querySelectorAll(".axes text")], over = (p, q) =>
          p.left < q.right && q.left < p.right && p.top + 2 < q.bottom && q.top + 2 < p.bottom;
        return { letters: parseFloat(getComputedStyle(says[0]).fontSize), drop: says.at(-2).getAttribute("y") - plot.querySelector(".axes path").getAttribute("d").match(/V([\d.]+)/)[1],
          exact: of(plot.getRootNode().querySelector(".exact")).width, lies: says.flatMap((a, i) => says.slice(i + 1).filter(b => over(of(a), of(b))).map(b => `${a.textContent} on ${b.textContent}`)),
          within: says.every(t => of(t).bottom <= of(plot).bottom + 2 && of(t).left >= of(plot).left - 2) }; }"""
    plot, name = page.locator(".plot"), page.locator(".axes .says").last
    expect(name).to_have_attribute("y", "12")
    small = plot.evaluate(sizes)
    page.add_style_tag(content=":root, html { font-size: 24px !important; }")
    expect(name).to_have_attribute("y", "18")
    large = plot.evaluate(sizes)
    assert small["letters"] == 12 and large["letters"] == 18
    for length in ("drop", "exact"):
        assert large[length] == pytest.approx(1.5 * small[length], rel=0.02), length
    assert small["lies"] == large["lies"] == [] and small["within"] and large["within"]


@pytest.mark.parametrize("kind, term", [("regroup", "t1"), ("refill", "ρ")])
def test_the_threshold_is_explained_in_the_glossarys_words(show, kind, term):
    page = show(f"kind={kind}")
    expect(page.locator(".what")).to_have_attribute("title", TERMS[term].definition)
    expect(page.locator(".slide")).to_have_attribute("aria-description", TERMS[term].definition)
    expect(page.locator("[data-figure=density]")).to_have_attribute("title", f"Of this layer. {TERMS['density'].definition}")
