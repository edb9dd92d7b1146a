"""The operating system's side: start, signals, logs, service manager.

Importing this comes before everything else that a process of ours imports, and sees to it that
msgspec comes alone: it asks typing_extensions, where that is installed, for what Python has itself
by now, and with it come `inspect` and the compiler's modules. A worker is waited for meanwhile, and
the daemon may have 28 MiB in all. Whoever imports typing_extensions afterwards gets it. What the
event loops would bring is left out by `sd_daemon.host.loops`.
"""

from __future__ import annotations

from sd_daemon.host.without import load_without

load_without("msgspec", "typing_extensions")
