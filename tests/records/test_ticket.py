import pytest

from lthviz.errors import AddressError
from lthviz.records import Round


def test_a_missing_ticket_names_the_near_miss():
    with pytest.raises(AddressError, match="refill"):
        Round(1, {"refill": None}, 3, False).ticket("refil")
