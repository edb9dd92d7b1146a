"""`python -m sd_daemon` is `sd-daemon`."""

from __future__ import annotations

import signal
import sys

# What follows takes a while, and Ctrl-C in it should not be told as a failure of Python.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from sd_daemon.host.main import main  # noqa: E402

sys.exit(main())
