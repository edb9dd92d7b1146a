"""`python -m sd_daemon` is `sd-daemon`."""

from __future__ import annotations

import sys

from sd_daemon.host.main import main

sys.exit(main())
