"""Draw SynLane, a road world in CULane's layout."""

import argparse
import os
import sys

from ganet_mm.datasets.synlane import LEVELS, Plan, draw_categories, make_synlane
from ganet_mm.visualization.picture_io import write_picture
from ganet_mm.visualization.sheet import tile_pictures


def parse_args(argv=None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="Draw road pictures of 1640×590 with their lanes in CULane's layout. "
        "The same arguments give the same bytes, whatever the number of workers."
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", help="folder to make; it appears when it is whole")
    what.add_argument("--sheet", help="instead, draw a scene of each category into this picture")
    parser.add_argument("--train", type=int, default=0, help="training frames")
    parser.add_argument("--val", type=int, default=0, help="validation frames")
    parser.add_argument("--test", type=int, default=0, help="test frames, in all nine categories")
    parser.add_argument("--level", default="standard", choices=list(LEVELS), help="difficulty")
    parser.add_argument("--seed", type=int, default=0, help="seed of the world")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--quality", type=int, default=90, help="JPEG quality")
    return parser.parse_args(argv)


def main(argv=None) -> int:
    """Draw the folder; 0 when it is there, 1 on an error."""
    args = parse_args(argv)
    try:
        if args.sheet:
            sheet = tile_pictures(draw_categories(args.level, args.seed), columns=3, width=1640)
            write_picture(args.sheet, sheet, jpeg_quality=85)
            print(args.sheet)
            return 0
        plan = Plan(args.train, args.val, args.test, args.level, args.seed, args.quality)
        drawn = make_synlane(args.out, plan, args.workers)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"make_synlane: {error}", file=sys.stderr)
        return 1
    total = plan.train + plan.val + plan.test
    print(f"{args.out}: {'drawn' if drawn else 'already whole'}, {total} frames ({plan.level})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
