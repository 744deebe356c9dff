"""Shapes of the vehicles, in their own coordinates (metres along from the rear, up)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Model:
    """A kind of vehicle.

    Args:
        width: Width in metres.
        profile: ``(along, up, part)``: the side outline from the rear's foot over the roof to the
            front's foot, metres; ``part`` says what the face up to the next point is made of.
        windows: Side windows, each ``(along0, along1, up0, up1)``.
        wheels: Positions of the axles along the vehicle.
        radius: Wheel radius.
        taper: Width of the cabin relative to the body.
    """

    width: float
    profile: tuple[tuple[float, float, str], ...]
    windows: tuple[tuple[float, float, float, float], ...]
    wheels: tuple[float, ...]
    radius: float
    taper: float

    @property
    def length(self) -> float:
        return max(point[0] for point in self.profile)

    @property
    def height(self) -> float:
        return max(point[1] for point in self.profile)


MODELS = {
    "sedan": Model(
        1.8,
        (
            (0.0, 0.28, "bumper"),
            (-0.02, 0.62, "rear"),
            (0.06, 1.02, "body"),
            (0.75, 1.06, "glass"),
            (1.45, 1.44, "roof"),
            (2.75, 1.45, "glass"),
            (3.55, 1.02, "body"),
            (4.45, 0.78, "front"),
            (4.58, 0.55, "bumper"),
            (4.55, 0.25, "under"),
        ),
        ((1.05, 2.05, 1.04, 1.36), (2.12, 3.1, 1.04, 1.36)),
        (0.95, 3.65),
        0.32,
        0.78,
    ),
    "suv": Model(
        1.88,
        (
            (0.0, 0.38, "bumper"),
            (-0.02, 0.72, "rear"),
            (0.04, 1.1, "glass"),
            (0.35, 1.62, "roof"),
            (2.7, 1.68, "glass"),
            (3.45, 1.15, "body"),
            (4.4, 0.95, "front"),
            (4.55, 0.6, "bumper"),
            (4.5, 0.32, "under"),
        ),
        ((0.45, 1.35, 1.14, 1.55), (1.42, 2.3, 1.14, 1.55), (2.36, 3.0, 1.14, 1.5)),
        (0.9, 3.6),
        0.37,
        0.84,
    ),
    "van": Model(
        1.7,
        (
            (0.0, 0.35, "bumper"),
            (0.0, 0.7, "rear"),
            (0.03, 1.12, "glass"),
            (0.15, 1.85, "roof"),
            (3.2, 1.9, "glass"),
            (3.85, 1.1, "body"),
            (4.2, 0.9, "front"),
            (4.25, 0.55, "bumper"),
            (4.2, 0.3, "under"),
        ),
        ((0.3, 1.3, 1.15, 1.7), (1.4, 2.4, 1.15, 1.7), (2.5, 3.4, 1.15, 1.65)),
        (0.8, 3.4),
        0.32,
        0.9,
    ),
    "bus": Model(
        2.5,
        (
            (0.0, 0.4, "bumper"),
            (0.0, 0.9, "rear"),
            (0.0, 1.7, "glass"),
            (0.05, 2.7, "body"),
            (0.15, 3.15, "roof"),
            (11.3, 3.15, "body"),
            (11.45, 2.8, "glass"),
            (11.5, 1.2, "front"),
            (11.5, 0.7, "bumper"),
            (11.5, 0.35, "under"),
        ),
        tuple((0.5 + 1.55 * i, 1.9 + 1.55 * i, 1.45, 2.6) for i in range(7)),
        (2.8, 8.9),
        0.5,
        0.97,
    ),
    "truck": Model(
        2.4,
        (
            (0.0, 0.55, "bumper"),
            (0.0, 0.95, "rear"),
            (0.0, 1.2, "cargo"),
            (0.0, 3.3, "roof"),
            (5.9, 3.3, "cargo"),
            (5.95, 2.5, "roof"),
            (7.3, 2.5, "glass"),
            (7.6, 1.5, "front"),
            (7.65, 0.7, "bumper"),
            (7.6, 0.4, "under"),
        ),
        ((6.4, 7.3, 1.55, 2.3),),
        (1.4, 6.7),
        0.48,
        1.0,
    ),
}
