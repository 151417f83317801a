"""The notebook's figures: what they draw is what the core computes, they say what they show in both themes, and what will not do in a line."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lthviz as lt
from lthviz.figures import order, theme
from tests.figures import test_replicate_curves as of_seeds
from tests.figures import test_speed as of_speed

RNG = np.random.default_rng(0)
MASKS = lt.Masks.of({"a.weight": RNG.random((24, 6, 3, 3)) < 0.3, "b.c.weight": RNG.random((40, 24, 1, 1)) < 0.2})
CHANNEL, BLOCKS = lt.refill(MASKS, lt.remain_scores(MASKS)), lt.regroup(MASKS, groups=2, min_rows=4)
RUN = of_seeds.SEEDS[0]
TIMINGS = list(of_seeds.timings(RUN))
DRAWN = {
    "mask": lambda dark: lt.figures.mask(BLOCKS, "a", before=MASKS, dark=dark), "densities": lambda dark: lt.figures.densities({"x": MASKS, "y": CHANNEL}, dark=dark),
    "channels": lambda dark: lt.figures.channels(MASKS, lt.remain_scores(MASKS), "b.c", rho=0.2, dark=dark),
    "threshold": lambda dark: lt.figures.threshold(MASKS, "a.weight", groups=2, min_rows=4, dark=dark),
    "accuracy_vs_density": lambda dark: lt.figures.accuracy_vs_density(RUN, dark=dark), "accuracy_vs_speed": lambda dark: lt.figures.accuracy_vs_speed(RUN, TIMINGS, dark=dark),
    "layer_times": lambda dark: lt.figures.layer_times(of_speed.TIMING, title="Regroup", dark=dark),
}


def test_every_figure_is_here():
    assert set(DRAWN) == set(lt.figures.__all__)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", DRAWN)
def test_it_has_a_title_axes_with_units_and_words(name, dark):
    fig = DRAWN[name](dark)
    said = fig.layout.meta
    assert said["caption"].endswith(".") and said["alt"].endswith(".") and said["n"] >= 1
    assert fig.layout.title.text.startswith("<b>") and fig.layout.font.color == theme.palette(dark).text
    named = [fig.layout.xaxis.title.text] + ([fig.layout.yaxis.title.text] if name != "layer_times" else [])
    assert all(any(x in t for x in ("(", "ms", "rank", "columns taken", "layer")) for t in named), named
    assert fig.layout.xaxis.fixedrange is False and fig.layout.dragmode == "zoom" and fig.to_json()


def pixels(fig) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(fig.layout.images[0].source.split(",")[1]))).convert("RGB"))


def colour(text: str) -> tuple[int, ...]:
    return tuple(int(text[i:i + 2], 16) for i in (1, 3, 5))


def test_a_mask_is_drawn_weight_by_weight():
    fig = lt.figures.mask(BLOCKS, "a", before=MASKS, order="original")
    image, (now, was) = pixels(fig), (BLOCKS.masks.matrix("a.weight"), MASKS.matrix("a.weight"))
    scale = image.shape[0] // now.shape[0], image.shape[1] // now.shape[1]
    seen = image[scale[0] // 2::scale[0], scale[1] // 2::scale[1]]
    p = theme.LIGHT
    wanted = np.select([(now & was)[..., None], (now & ~was)[..., None], (was & ~now)[..., None]], [colour(p.kept), colour(p.added), colour(p.removed)], colour(p.paper))
    assert np.array_equal(seen, wanted)
    assert [t.name for t in fig.data] == [f"kept {(now & was).sum():,}", f"added {(now & ~was).sum():,}", f"removed {(was & ~now).sum():,}"]
    assert (fig.layout.images[0].sizex, fig.layout.images[0].sizey) == now.shape[::-1] and tuple(fig.layout.yaxis.range) == (24, 0)


def test_grouped_blocks_are_outlined_full():
    fig, blocks = lt.figures.mask(BLOCKS, "a", before=MASKS), BLOCKS.blocks["a.weight"]
    shown = order.grouped(BLOCKS.masks.matrix("a.weight"), MASKS.matrix("a.weight"), blocks).permute(BLOCKS.masks.matrix("a.weight"))
    assert len(fig.layout.shapes) == len(blocks) > 0
    for s in fig.layout.shapes:
        assert shown[s.y0:s.y1, s.x0:s.x1].all()
    assert sum((s.y1 - s.y0) * (s.x1 - s.x0) for s in fig.layout.shapes) == blocks.area


def test_a_large_layer_says_what_a_pixel_stands_for():
    big = lt.Masks.of({"w.weight": np.random.default_rng(1).random((600, 3000)) < 0.1})
    fig = lt.figures.mask(big, "w")
    assert "a pixel stands for 2 × 3 weights" in fig.layout.title.text and pixels(fig).shape[:2] == (300, 1000)


def test_densities_are_those_of_the_masks():
    fig = lt.figures.densities({"x": MASKS, "y": CHANNEL})
    assert [list(t.x) for t in fig.data] == [[100 * of.density(n) for n in MASKS] for of in (MASKS, CHANNEL.masks)]
    assert list(fig.layout.yaxis.ticktext) == ["a", "b.c"] and fig.data[0].name == f"x, {100 * MASKS.density():.1f} % in all"
    assert list(lt.figures.densities(MASKS).data[0].x) == list(fig.data[0].x)


@pytest.mark.parametrize("rho", [0.0, 0.3])
def test_the_channels_drawn_as_kept_are_those_that_refill_keeps(rho):
    scores = lt.remain_scores(MASKS)
    fig, made = lt.figures.channels(MASKS, scores, "b.c", rho=rho), lt.refill(MASKS, scores, rho=rho)
    assert sorted(fig.data[0].customdata.tolist()) == np.flatnonzero(made.masks.matrix("b.c.weight").any(axis=1)).tolist()
    assert [*fig.data[0].y, *fig.data[1].y] == sorted(scores["b.c.weight"], reverse=True)


@pytest.mark.parametrize("t1", [0.5, 1.5, 4.0])
def test_cuts_are_the_columns_of_regroups_blocks(t1):
    fig, made = lt.figures.threshold(MASKS, "a", groups=2, min_rows=4, t1=t1), lt.regroup(MASKS, groups=2, min_rows=4, t1=t1)
    cuts = [t.x[0] for t in fig.data if t.name.startswith("cut")]
    assert cuts == [part["cols"] for part in made.notes["a.weight"]["parts"]]
    for curve, i in zip([t for t in fig.data if t.name.startswith("group")], cuts, strict=True):
        left = dict(zip(curve.x, curve.y))
        assert i > t1 * left[i] and all(k <= t1 * left[k] for k in range(1, i))


def test_stored_runs_are_drawn_as_the_app_draws_them():
    from lthviz.figures import accuracy, curves, measured

    ours, theirs = lt.figures.accuracy_vs_density([RUN]), accuracy.accuracy_vs_density([RUN])
    assert [list(t.y) for t in ours.data] == [list(t.y) for t in theirs.data] and ours.layout.xaxis.type == theirs.layout.xaxis.type == "log"
    fig = lt.figures.accuracy_vs_speed(RUN, {RUN.id: TIMINGS})
    assert [list(t.x) for t in fig.data] == [list(t.x) for t in curves.accuracy_curves(measured.study([RUN], {RUN.id: TIMINGS})).data]


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda: lt.figures.mask(MASKS, "b.d"), "there is no mask of a layer 'b.d'; did you mean b.c"), (lambda: lt.figures.mask(MASKS, "a", order="groupd"), "did you mean grouped"),
    (lambda: lt.figures.mask(MASKS, "a", order="grouped"), "no blocks to group by"), (lambda: lt.figures.mask(3, "a"), "masks should be Masks"),
    (lambda: lt.figures.mask(MASKS, "a", before={"a.weight": np.ones((2, 2))}), "they are of different networks"), (lambda: lt.figures.densities({}), "there are no masks to draw"),
    (lambda: lt.figures.densities({"x": MASKS, "y": lt.Masks.of({"z": np.ones((2, 2), bool)})}), "no layer in common"),
    (lambda: lt.figures.channels(MASKS, {}, "a"), "scores lack layer 'a.weight'"), (lambda: lt.figures.channels(MASKS, lt.remain_scores(MASKS), "a", rho=3), "rho = 3.0"),
    (lambda: lt.figures.threshold(MASKS, "a", t2=3), "'t2' is not a setting of regroup; did you mean t1"), (lambda: lt.figures.threshold(MASKS, "a", groups=2, variant="paper"), "no such curve"),
    (lambda: lt.figures.threshold(MASKS, "a", groups=100), "more than the 24 rows"), (lambda: lt.figures.accuracy_vs_speed(RUN, x="sped"), "did you mean speed"),
    (lambda: lt.figures.accuracy_vs_speed(of_seeds.SEEDS[:2], TIMINGS), "should be by run id"), (lambda: lt.figures.accuracy_vs_density([]), "a stored run or several"),
    (lambda: lt.figures.layer_times(None), "there is no layer in this timing"),
])
def test_what_will_not_do_is_said_in_a_line(wrong, said):
    with pytest.raises(lt.LthvizError, match=said) as found:
        wrong()
    assert "\n" not in str(found.value)


def test_a_name_that_is_no_figure_is_no_attribute():
    with pytest.raises(AttributeError, match="no attribute 'maks'"):
        lt.figures.__getattr__("maks")
    assert Path(lt.figures.__file__).parent.name == "figures"
