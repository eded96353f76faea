"""Where the command begins: an interrupt while libraries are being imported ends it quietly too."""

from __future__ import annotations

import os
import signal


def main() -> None:
    try:
        from askpix.cli.main import main as run
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return
    run()


if __name__ == "__main__":
    main()
