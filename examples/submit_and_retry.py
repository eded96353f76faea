"""Submits a job from Python, follows it, tries what failed for a passing reason once more, and prints the answers.

    python examples/submit_and_retry.py s3://shop/jobs/spring https://example.com/1.jpg s3://shop/photos/2.jpg

The broker is ASKPIX_BROKER_URL; a worker must serve the model (here: the demo model).
"""

from __future__ import annotations

import sys

from askpix.producer import Client, Item, Question

MODEL = "askpix-demo"
COLOR = Question("what color is it?", name="color", choices=("red", "blue", "black", "orange", "green"))


def main(output: str, *images: str) -> None:
    items = (Item(image=image, id=f"picture-{number}") for number, image in enumerate(images, 1))
    with Client() as client:
        job = client.submit(items, output=output, model=MODEL, questions=[COLOR])
        for progress in job.watch():
            print(f"{progress.done} of {progress.items}", file=sys.stderr)
        if progress.finished and job.retry():
            list(job.watch())
    for row in job.results():
        print(row.id, row.answers[0].text if row.answers else row.error_code)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
