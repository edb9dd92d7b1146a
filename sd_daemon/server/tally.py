"""Warnings that a client can provoke as often as it likes.

The first of a user is logged at once. Those that follow are counted, and told as a number every ten
seconds for as long as they come; so a flood of them neither fills the log nor goes unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.log import get_log

if TYPE_CHECKING:
    from sd_daemon.handlers.handler import Peer

log = get_log(__name__)

QUIET = 10.0  # seconds between two lines about one user


class Noted(msgspec.Struct):
    """What is known of one user."""

    due: float  # when the next line may be written
    count: int = 0  # of those that no line has told
    pid: int = 0
    detail: str = ""


class Tally:
    """One sort of warning. It never logs what a client has said, only names that are ours."""

    def __init__(self, sentence: str) -> None:
        self._sentence = sentence
        self._users: dict[int, Noted] = {}

    def note(self, peer: Peer, detail: str, now: float) -> None:
        """It has happened once more."""
        known = self._users.get(peer.uid)
        if known is None:
            self._users[peer.uid] = Noted(now + QUIET)
            log.warning(self._sentence, detail=detail, peer_uid=peer.uid, peer_pid=peer.pid)
            return
        known.count += 1
        known.pid = peer.pid
        known.detail = detail

    def settle(self, now: float) -> float | None:
        """Tell what was only counted. Returns in how many seconds to look again, if at all."""
        for uid, known in tuple(self._users.items()):
            if now < known.due:
                continue
            if not known.count:
                del self._users[uid]
                continue
            log.warning(
                self._sentence,
                count=known.count,
                detail=known.detail,
                peer_uid=uid,
                peer_pid=known.pid,
            )
            known.count = 0
            known.due = now + QUIET
        return min((known.due for known in self._users.values()), default=now) - now or None
