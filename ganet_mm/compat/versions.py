"""The versions that the tests ran on, and one warning when others are installed."""

from __future__ import annotations

import warnings
from importlib import metadata

from mmengine.utils import digit_version

# Half-open ranges [low, high) of versions that passed the whole test suite.
TESTED = {
    "torch": ("2.11.0", "2.16"),
    "mmengine": ("0.10.7", "0.11"),
    "mmcv": ("2.1.0", "2.2.0"),
    "mmdet": ("3.3.0", "3.4"),
    "mmrazor": ("1.0.0", "1.1"),
}
# Different distributions install the package ``mmcv``.
DISTRIBUTIONS = {"mmcv": ("mmcv-lite", "mmcv")}


def installed_version(package: str) -> str | None:
    """Version of the distribution that gives ``package``, None if there is none."""
    for name in DISTRIBUTIONS.get(package, (package,)):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def untested_versions() -> list[str]:
    """One phrase for each installed package whose version is outside its tested range."""
    phrases = []
    for package, (low, high) in TESTED.items():
        version = installed_version(package)
        if version is None:
            continue
        plain = digit_version(version.split("+")[0])
        if not digit_version(low) <= plain < digit_version(high):
            phrases.append(f"{package} {version} (tested: >={low},<{high})")
    return phrases


def warn_if_untested() -> None:
    """One warning for all packages outside their tested range."""
    phrases = untested_versions()
    if phrases:
        warnings.warn(
            "ganet_mm has not been tested with " + ", ".join(phrases) + ". If something breaks, "
            "install a tested version first.",
            stacklevel=3,
        )
