"""Packages whose public names are imported when they are first used."""

import importlib
import pkgutil
import sys
from types import ModuleType

import pytest

from evolvent.first_use import first_use

PACKAGES = ["evolvent", "evolvent.daemon", "evolvent.evolution", "evolvent.library", "evolvent.testing"]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_found_and_none_is_hidden_by_a_module(package: str) -> None:
    found = importlib.import_module(package)
    modules = {module.name for module in pkgutil.iter_modules(found.__path__)}
    assert not modules & set(found.__all__), "the import system sets modules as attributes of their package"
    for name in found.__all__:
        assert not isinstance(getattr(found, name), ModuleType)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nobody'"):
        _ = found.nobody


def test_a_name_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("first_use_of_mine")
    monkeypatch.setitem(sys.modules, "first_use_of_mine", package)
    package.__getattr__ = first_use("first_use_of_mine", {"Fraction": "fractions"})  # type: ignore[method-assign]
    import fractions

    assert package.Fraction is fractions.Fraction
    assert vars(package)["Fraction"] is fractions.Fraction


def test_a_module_of_the_same_name_is_refused() -> None:
    with pytest.raises(ValueError, match="modules of some hide its public names: gate"):
        first_use("some", {"gate": "some.gate"})
