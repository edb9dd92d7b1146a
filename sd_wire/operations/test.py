"""A question that only shows that somebody answers."""

from __future__ import annotations

from typing import Annotated

import msgspec

from sd_wire.operation import Natural, Request, Scope, doc, query


class Echo(msgspec.Struct):
    """What was said, again."""

    echo: str
    count: int
    extension_works: bool


@query("test.ping", scope=Scope.CORE)
class Ping(Request[Echo]):
    """Send a message back."""

    message: Annotated[str, doc("what comes back as `echo`")]
    count: Annotated[Natural | None, doc("comes back too; 1 when it is left out")] = None
