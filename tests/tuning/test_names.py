"""What the package exports hides none of its modules."""

import pkgutil

from lthviz import tuning


def test_no_exported_name_is_a_modules_name():
    assert not {m.name for m in pkgutil.iter_modules(tuning.__path__)} & set(tuning.__all__)
