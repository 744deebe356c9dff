"""SynLane: a drawn road world in CULane's layout."""

from .levels import CATEGORIES, LEVELS
from .render import render
from .samples import draw_categories
from .scene import Scene, choose_scene
from .writer import Plan, draw_frame, make_synlane

__all__ = [
    "CATEGORIES",
    "LEVELS",
    "Plan",
    "Scene",
    "choose_scene",
    "draw_categories",
    "draw_frame",
    "make_synlane",
    "render",
]
