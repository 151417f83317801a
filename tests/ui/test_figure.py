"""Tables behind figures."""

import csv
import io

from lthviz.ui import figure, transport


def test_csv_keeps_every_digit_and_the_table_rounds():
    table = [{"ticket": "a, b", "accuracy (%)": 1 / 3, "n": 3}, {"ticket": "c", "accuracy (%)": None, "n": 4}]
    back = list(csv.DictReader(io.StringIO(figure.csv_text(table))))
    assert float(back[0]["accuracy (%)"]) == 1 / 3 and back[0]["ticket"] == "a, b" and back[1]["accuracy (%)"] == ""
    assert figure.rounded(table)[0] == {"ticket": "a, b", "accuracy (%)": 0.3333, "n": 3}


def test_durations_are_words():
    assert [transport.duration(s) for s in (0.2, 41, 89, 90, 3599, 3600, 7500)] == \
        ["1 s", "41 s", "89 s", "1 min 30 s", "59 min 59 s", "1 h 00 min", "2 h 05 min"]
