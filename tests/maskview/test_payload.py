"""What the mask view hands to the browser."""

import json

import numpy as np
import pytest

from lthviz.maskview import LARGEST, payload
from lthviz.records import Blocks, Layer


def example(shape):
    """Random masks with one block of 9 × 30."""
    rng = np.random.default_rng(0)
    after, before = rng.random((2, shape[0], int(np.prod(shape[1:])))) < 0.3
    blocks = Blocks(after.shape, (np.arange(3, 12, dtype=np.int32),), (np.arange(0, 60, 2, dtype=np.int32),))
    return after, before, blocks, Layer("a.weight", shape, (4, 4))


def read(data):
    """Head and sections, as readLayer in maskview/cells.js takes them apart."""
    size = int.from_bytes(data[:4], "little")
    head, body = json.loads(data[4:4 + size]), data[4 + size:]
    assert (size + 4) % 4 == 0
    return head, {name: np.frombuffer(body[a:b], np.uint8 if name in ("after", "before") else {2: "<u2", 4: "<i4"}[head["index"]]) for name, (a, b) in head["sections"].items()}


def test_the_payload_is_one_bit_a_weight_and_mask_and_little_more():
    after, before, blocks, layer = example((512, 512, 3, 3))
    data = payload(after, before, layer=layer, blocks=blocks, mode="diff")
    head, parts = read(data)
    assert (head["rows"], head["cols"], head["kernel"], head["paired"]) == (512, 4608, [512, 3, 3], True)
    for name, mask in (("after", after), ("before", before)):
        assert np.array_equal(np.unpackbits(parts[name]).astype(bool), mask.ravel())
    assert np.array_equal(parts["rows0"], blocks.rows[0]) and np.array_equal(parts["cols0"], blocks.cols[0])
    assert len(data) <= 1.1 * 2 * after.size / 8


def test_a_layer_with_very_many_columns_has_wider_places():
    blocks = Blocks((2, 70_000), (np.array([0], np.int32),), (np.array([5, 69_999], np.int32),))
    head, parts = read(payload(np.ones((2, 70_000), bool), blocks=blocks))
    assert head["index"] == 4 and parts["cols0"].tolist() == [5, 69_999]


def test_a_linear_layer_is_one_place_a_column():
    after, before, blocks, layer = example((40, 90))
    head, _ = read(payload(after, before, layer=layer, blocks=blocks))
    assert (head["rows"], head["cols"], head["kernel"]) == (40, 90, [90, 1, 1])


def test_its_digest_tells_masks_apart_by_one_bit_and_words_not_at_all():
    after, before, _, layer = example((16, 8, 3, 3))
    other = after.copy()
    other[7, 33] ^= True
    digest = read(payload(after, before, layer=layer))[0]["digest"]
    assert read(payload(other, before, layer=layer))[0]["digest"] != digest != read(payload(before, after, layer=layer))[0]["digest"]
    assert read(payload(after, before, layer=layer, title="x", mode="diff"))[0]["digest"] == digest


def test_what_does_not_fit_is_refused():
    after = np.zeros((3, 4), bool)
    for bad in (dict(before=np.zeros((4, 3), bool)), dict(before=np.zeros((3, 4))), dict(mode="sideways"), dict(order="up"),
                dict(row_order=np.array([0, 0, 1]))):
        with pytest.raises(ValueError):
            payload(after, **bad)
    with pytest.raises(ValueError, match="too large to draw"):
        payload(np.zeros((1, LARGEST + 1), bool))
