"""The command line of `sd-daemon` as argparse has it: for help, mistakes, and the manual."""

from __future__ import annotations

import argparse

from sd_daemon.handlers.core import daemon_version
from sd_daemon.host.options import OPTIONS


def command_line() -> argparse.ArgumentParser:
    """The options; spacedrived(8) is written from them, too."""
    parser = argparse.ArgumentParser(
        prog="sd-daemon", description="The Spacedrive daemon: knows your files, serves clients."
    )
    for option in OPTIONS:
        if option.metavar is None:
            parser.add_argument(option.name, action="store_true", help=option.help)
        else:
            parser.add_argument(
                option.name, metavar=option.metavar, type=option.type, help=option.help
            )
    parser.add_argument("--version", action="version", version=f"sd-daemon {daemon_version()}")
    return parser
