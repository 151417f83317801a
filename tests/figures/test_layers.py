import numpy as np

from lthviz.figures import layer_density, layer_density_alt, layer_density_caption, layer_density_table
from lthviz.records import Layer, Masks, Ticket

LAYERS = tuple(Layer(f"conv{i}.weight", (4, 5, 1, 1), (8, 8)) for i in range(3))


def ticket(label, kept):
    """A ticket with so many of each layer's 20 weights."""
    masks = {la.name: (np.arange(20) < k).reshape(la.shape) for la, k in zip(LAYERS, kept)}
    return Ticket(label, 4, Masks.of(masks))


TICKETS = [ticket("unstructured", (10, 4, 1)), ticket("refill", (20, 5, 0))]


def test_a_dot_for_each_layer_and_ticket():
    fig = layer_density(TICKETS, LAYERS, titles={"refill": "Refill"}, current="conv1.weight")
    assert [(t.name, list(t.y)) for t in fig.data] == [("Unstructured", [50.0, 20.0, 5.0]), ("Refill", [100.0, 25.0, 0.0])]
    assert [tuple(c) for c in fig.data[1].customdata] == [(4, "refill", la.name) for la in LAYERS]
    assert [s.x0 for s in fig.layout.shapes] == [2]
    assert fig.data[0].marker.symbol != fig.data[1].marker.symbol and fig.data[0].line.dash != fig.data[1].line.dash


def test_words_and_table_hold_the_numbers():
    alt = layer_density_alt(TICKETS, LAYERS)
    assert "Unstructured keeps from 5.0 percent in conv2 to 50.0 percent in conv0" in alt
    assert "Refill keeps from 0.0 percent in conv2 to 100.0 percent in conv0" in alt
    assert layer_density_table(TICKETS, LAYERS)[1] == {"layer": "conv1.weight", "weights": 20, "Unstructured, kept (%)": 20.0, "Refill, kept (%)": 25.0}
    assert "n = 3 layers, round 4" in layer_density_caption(TICKETS, LAYERS)


def test_nothing_yet_says_so():
    for tickets, layers in (([], LAYERS), (TICKETS, [])):
        assert layer_density(tickets, layers).layout.annotations[0].text == "No ticket to show yet"
        assert "no ticket to show yet" in layer_density_alt(tickets, layers)
