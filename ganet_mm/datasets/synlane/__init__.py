"""SynLane: a drawn road world in CULane's layout."""

from .levels import CATEGORIES, LEVELS
from .render import render
from .scene import Scene, choose_scene
from .sheet import category_sheet
from .writer import Plan, draw_frame, make_synlane

__all__ = [
    "CATEGORIES",
    "LEVELS",
    "Plan",
    "Scene",
    "category_sheet",
    "choose_scene",
    "draw_frame",
    "make_synlane",
    "render",
]
