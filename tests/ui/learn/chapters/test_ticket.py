"""The chapter of the ticket: means, verdicts and the right answer against the rows of the shipped runs."""

import statistics

import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.errors import AddressError
from lthviz.ui import cache
from lthviz.ui.learn import evidence
from lthviz.ui.learn.chapters import ticket, ticket_round
from tests.ui.learn.evidences import TIMED, accuracies, examples, numbers, seeds, sound, texts, titles

LABELS = {"ticket": UNSTRUCTURED, "reinit": "reinit", "random": "random"}


@pytest.fixture
def store(tmp_path, monkeypatch):
    return examples(tmp_path, monkeypatch)


def least():
    """What it takes to win, by the definition: the dense mean less one sample standard deviation."""
    dense = list(accuracies(0, "").values())
    return statistics.mean(dense) - statistics.stdev(dense)


def test_frames_say_the_means_and_who_wins(store):
    of = evidence.found()
    made, controls = ticket.frames(of)
    assert ticket.labels(of) == LABELS and [c.kind for c in controls] == ["choice", "slider"]
    rounds = range(1, 13)
    assert len(controls[1].texts) == 12 and len(made) == 3 * 12
    for i, k in enumerate(rounds):
        for j in range(3):
            said = made[12 * j + i].said
            for name, label in LABELS.items():
                values = list(accuracies(k, label).values())
                wins = statistics.mean(values) >= least()
                assert f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}\u00a0% ({'wins' if wins else 'does not win'}, n = 10)" in said, (k, name)
    marked = [t for t in titles(made[3].drawing) if ", round " in t]
    assert len(marked) == 12 and f"round 4: {statistics.mean(accuracies(4, UNSTRUCTURED).values()):.1f}" in marked[3]


def test_the_link_is_to_the_sparsest_round_that_wins_and_the_figure_does_not_start_there(store):
    of = evidence.found()
    assert ticket.frames(of)[1][1].start == 5, "its verdicts of the last round are what the question asks for"
    winning = [k for k in range(1, 13) if statistics.mean(accuracies(k, UNSTRUCTURED).values()) >= least()]
    assert of.rounds[ticket._start(of)] == winning[-1]


def test_drawings_are_sound_and_each_seed_is_a_dot(store):
    made, _ = ticket.frames(evidence.found())
    for frame in made:
        sound(frame.drawing)
    assert made[0].drawing.count("h0") == 12 * 10 + 4 * 10        # the method that is drawn, then dense and all three side by side


def test_the_right_answer_is_who_wins_in_the_last_round(store):
    asked = ticket.question()
    right = [o for o in asked.options if o.right]
    wins = {name for name, label in LABELS.items() if statistics.mean(accuracies(12, label).values()) >= least()}
    expected = {frozenset({"ticket"}): "Only the ticket", frozenset({"ticket", "reinit"}): "The ticket, and its mask re-initialised", frozenset(LABELS): "All three"}
    assert [o.text for o in right] == [expected[frozenset(wins)]] and len(asked.options) >= 4
    for label in LABELS.values():
        assert f"{statistics.mean(accuracies(12, label).values()):.1f}" in right[0].why
    who = {"None of them": set(), "Only the ticket": {"ticket"}, "The ticket, and its mask re-initialised": {"ticket", "reinit"}, "All three": set(LABELS)}
    for o in asked.options:     # a wrong answer is told of those alone of whom it is wrong
        for name, label in LABELS.items():
            told = f"{statistics.mean(accuracies(12, label).values()):.1f}\u00a0% (n = 10) and {'wins' if name in wins else 'does not win'}" in o.why
            assert told == (o.right or (name in who[o.text]) != (name in wins)), (o.text, name)


def test_one_round_is_told_with_the_numbers_of_the_run(store):
    run = ticket_round.shown(evidence.found())
    made = ticket_round.frames(run, cache.round)
    assert run.id == TIMED and len(made) == len(ticket_round.STEPS.texts)
    masks = store.round(run.id, 1).ticket(UNSTRUCTURED).masks
    kept, size = sum(int(masks[name].sum()) for name in masks), sum(masks[name].size for name in masks)
    assert numbers(made[2].said)[0] == size - kept and f"{kept:,}" in made[3].said and f"step {run.info['rewind_step']}" in made[3].said
    assert f"{next(r['test_acc'] for r in run.rows if r['round'] == 1 and r['structure'] == UNSTRUCTURED):.1f} %" in made[4].said
    for frame in made:
        sound(frame.drawing)
    assert "θk" in texts(made[3].drawing) and "rewind" in texts(made[3].drawing)


def test_one_seed_has_neither_band_nor_spread(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, seeds()[:1])
    of = evidence.found()
    made, _ = ticket.frames(of)
    assert len(made) == 36 and "n = 1)" in made[0].said and "±" not in made[0].said and "<polygon" in made[0].drawing
    for frame in made:
        sound(frame.drawing)
    assert "0.25 points, there being one dense training alone" in " ".join(ticket.words())
    assert ticket.question() is not None


def test_a_run_without_one_control_says_so(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, [TIMED])
    of = evidence.found()
    made, controls = ticket.frames(of)
    assert ticket.labels(of) == {"ticket": UNSTRUCTURED, "random": "random"} and len(made) == 24 and controls[0].texts == ("The ticket", "Random mask")
    assert "one is missing: the same mask over fresh weights" in " ".join(ticket.words()) and ticket.question() is None
    for frame in made:
        sound(frame.drawing)
    assert ticket.links()


def test_without_runs_one_sentence_says_the_way_out(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, [])
    with pytest.raises(AddressError, match="start the digits study"):
        ticket.words()
