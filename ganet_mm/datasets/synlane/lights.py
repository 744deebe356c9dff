"""Lamps seen in the picture."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Light:
    """A lamp: picture point, radius in pixels, BGR at full power, power (1 = a tail light)."""

    x: float
    y: float
    radius: float
    colour: tuple[float, float, float]
    power: float
