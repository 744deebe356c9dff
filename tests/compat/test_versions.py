import warnings
from importlib import metadata

import pytest
from mmengine.utils import digit_version

from ganet_mm.compat import versions


def test_what_is_installed_here_is_tested():
    assert versions.untested_versions() == []


@pytest.mark.parametrize("package", sorted(versions.TESTED))
def test_another_version_gives_one_clear_warning(monkeypatch, package):
    real = versions.installed_version
    monkeypatch.setattr(
        versions, "installed_version", lambda name: "99.1" if name == package else real(name)
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        versions.warn_if_untested()
    assert len(caught) == 1
    assert f"{package} 99.1" in str(caught[0].message)


def test_a_local_build_tag_is_no_other_version(monkeypatch):
    monkeypatch.setattr(
        versions, "installed_version", lambda name: versions.TESTED[name][0] + "+cpu"
    )
    assert versions.untested_versions() == []


def test_setup_py_asks_for_the_tested_ranges():
    asked = {}
    for line in metadata.requires("ganet_mm"):
        name = line.split(";")[0].split("<")[0].split(">")[0].split("[")[0].strip()
        asked[name] = line
    for package, (low, high) in versions.TESTED.items():
        if package == "mmcv":
            assert package not in asked and "mmcv-lite" not in asked
            continue
        parts = asked[package][len(package) :].replace(" ", "").split(",")
        bounds = {part[:2] if part[1] == "=" else part[:1]: part.lstrip("<>=") for part in parts}
        assert digit_version(bounds[">="]) == digit_version(low)
        assert digit_version(bounds["<"]) == digit_version(high)
