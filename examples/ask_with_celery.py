"""Asks an askpix worker about a picture, with nothing but Celery: for queue pipelines of your own.

    python examples/ask_with_celery.py redis://localhost:6379/0 askpix-demo https://example.com/mug.jpg "what is it?"

Without a question, the picture is captioned. Local files go as `data:` URIs (see below), or as paths if
the worker was started with a `--files-root` that holds them.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from celery import Celery


def main(broker: str, model: str, image: str, *questions: str) -> None:
    app = Celery("mine", broker=broker, backend=broker)
    # All of askpix' keys begin so, in order that a Redis server can be shared.
    app.conf.broker_transport_options = {"global_keyprefix": "askpix:"}
    app.conf.result_backend_transport_options = {"global_keyprefix": "askpix:"}
    if Path(image).is_file():
        image = "data:image/jpeg;base64," + base64.b64encode(Path(image).read_bytes()).decode()
    message = {"v": 1, "model": model, "image": image, "questions": list(questions)}
    row = app.send_task("askpix.ask", [message], queue=f"{model}.ask").get(timeout=60)
    if row["status"] == "error":
        sys.exit(f"{row['error_code']}: {row['error_message']}")
    for answer in row["answers"]:
        print(answer["text"])


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
