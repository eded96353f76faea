"""Makes the pictures of the README and the docs anew, from the real thing: run `make screenshots [ARGS=watch]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from screenshots.gallery import details, gallery
from screenshots.playground import playground
from screenshots.watching import watching

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"

MAKERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "watch": (watching, "watch.svg"),
    "gallery": (gallery, "gallery.png"),
    "details": (details, "details.png"),
    "playground": (playground, "playground.png"),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="screenshots", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("which", nargs="*", metavar="PICTURE", help=f"{', '.join(MAKERS)}; by default all")
    options = parser.parse_args()
    if unknown := set(options.which) - set(MAKERS):
        parser.error(f"there is no picture {unknown.pop()!r}; there is {', '.join(MAKERS)}")
    PICTURES.mkdir(exist_ok=True)
    for name in options.which or MAKERS:
        make, file = MAKERS[name]
        make(PICTURES / file)
        print(f"docs/pictures/{file}")


if __name__ == "__main__":
    main()
