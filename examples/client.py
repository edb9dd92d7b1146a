#!/usr/bin/env python3
"""A whole client of the Spacedrive daemon, with nothing but Python's standard library.

    python3 client.py [--socket PATH | --data-dir PATH] [EVENT ...]

It says Hello, makes a call, handles an error, and then prints every event, one line of JSON each,
for as long as it runs. A connection that ends is made again, and goes on where it ended: every
event is printed exactly once. Remarks go to standard error.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import time

PAUSE = 0.2  # seconds between two attempts to connect


def say(text):
    print(text, file=sys.stderr, flush=True)


def find_sockets(options):
    """The sockets to try, first to last. One that was named is the only one."""
    instance = os.environ.get("SD_INSTANCE")
    name = f"daemon-{instance}.sock" if instance else "daemon.sock"
    if options.socket:
        return [options.socket]
    if options.data_dir:
        return [f"{options.data_dir}/daemon/{name}"]
    if os.environ.get("SD_SOCKET"):
        return [os.environ["SD_SOCKET"]]
    if os.environ.get("SD_DATA_DIR"):
        return [f"{os.environ['SD_DATA_DIR']}/daemon/{name}"]
    home, xdg = os.path.expanduser("~"), os.environ.get("XDG_DATA_HOME", "")
    if sys.platform == "darwin":
        data = f"{home}/Library/Application Support/spacedrive"
    else:
        data = f"{xdg if xdg.startswith('/') else home + '/.local/share'}/spacedrive"
    return [f"{data}/daemon/{name}", f"/run/spacedrive/{name}"]


class Failed(Exception):
    """The daemon answered with an error."""

    def __init__(self, reply):
        ((self.kind, text),) = reply["Error"].items()
        details = reply.get("details", {})
        self.code = details.get("code")  # stable: what a program decides by
        self.retryable = details.get("retryable", False)
        super().__init__(text)


class Connection:
    """Lines of JSON, both ways."""

    def __init__(self, sockets):
        for path in sockets:
            self.socket = socket.socket(socket.AF_UNIX)
            try:
                self.socket.connect(path)
            except OSError:
                self.socket.close()
                if path == sockets[-1]:
                    raise
                continue
            self.path = path
            break
        self.lines = self.socket.makefile("rb")
        self.ids = 0

    def close(self):
        self.lines.close()
        self.socket.close()

    def read(self):
        """The next message. Raises ConnectionError when the daemon has gone."""
        line = self.lines.readline()
        if not line.endswith(b"\n"):  # nothing, or half a line: the daemon has gone
            raise ConnectionError("the connection ended")
        return line, json.loads(line)

    def ask(self, request):
        """Send a request under an id of its own and return the reply that carries it."""
        self.ids += 1
        self.socket.sendall(json.dumps({**request, "id": self.ids}).encode() + b"\n")
        while True:
            _, message = self.read()
            if isinstance(message, dict) and message.get("id") == self.ids:
                if "Error" in message:
                    raise Failed(message)
                return message

    def query(self, method, payload=None):
        return self.ask({"Query": {"method": method, "payload": payload}})["JsonOk"]


def introduce(sockets):
    """A connection on which both ends know who the other is."""
    connection = Connection(sockets)
    hello = connection.ask({"Hello": {"version": 1, "client": "client.py"}})["Hello"]
    say(f"connected to {connection.path}: daemon {hello['daemon']}, protocol {hello['version']}")
    return connection


def look_around(connection):
    """One call that works and one that does not."""
    names = [library["name"] for library in connection.query("query:libraries.list")]
    say(f"libraries: {', '.join(names) or 'none'}")
    try:
        connection.query("query:no.such.operation")
    except Failed as error:
        say(f"an error, as expected: {error} ({error.code})")


def follow(connection, types, place):
    """Print events until the connection ends. `place` keeps where we are: it outlives us."""
    asked = {"event_types": types, **place}
    answer = connection.ask({"Subscribe": asked})
    began = answer["Subscribed"]
    if began["gone"]:
        say(f"events {began['gone']['first']} to {began['gone']['last']} are not kept any more")
    for warning in began["warnings"]:
        say(f"warning: {warning}")
    place["stream"] = began["stream"]
    place.setdefault("after", began["sequence"])
    if began["gone"]:
        place["after"] = began["gone"]["last"]
    say("subscribed")
    while True:
        line, message = connection.read()
        if "Event" in message:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            place["after"] = message["sequence"]
        elif "CaughtUp" in message:
            place["after"] = message["CaughtUp"]["sequence"]
        elif "Lagged" in message:  # we were too slow: ask again for what is missing
            place["after"] = message["Lagged"]["after"]
            raise ConnectionError("events were left out")


def main():
    parser = argparse.ArgumentParser(description="Print what a Spacedrive daemon announces.")
    parser.add_argument("--socket")
    parser.add_argument("--data-dir")
    parser.add_argument("events", nargs="*", metavar="EVENT")
    options = parser.parse_args()
    sockets = find_sockets(options)
    try:
        connection = introduce(sockets)
        look_around(connection)
    except OSError as error:
        say(f"no daemon answers at {' or '.join(sockets)}: {error}")
        return 3
    place = {}
    while True:
        try:
            follow(connection, options.events, place)
        except Failed as error:
            say(f"{error} ({error.code})")
            if not error.retryable:
                return 1
        except OSError as error:
            say(str(error))
        connection.close()
        connection = again(sockets)


def again(sockets):
    """Connect until somebody is there."""
    while True:
        time.sleep(PAUSE)
        try:
            return introduce(sockets)
        except (OSError, Failed):
            continue


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
