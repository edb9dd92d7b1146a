"""What the daemon records, as journald has it: whole, with fields, and never at a client's cost."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine import Machine

DROP_IN = "/etc/systemd/system/spacedrive.service.d/test-journal.conf"
SOCKET = "/run/spacedrive/daemon.sock"
STALL = 10.0  # seconds
RATE = 500  # requests a second

TEXT = "a\nb\xe9=c"
WRITE = """
    import os, sys
    sys.path.insert(0, "/usr/lib/spacedrive")
    from sd_daemon.core.log import Log
    from sd_daemon.host.journal import Journal, datagram
    from sd_daemon.host.logs import journal_of, set_up

    journal = journal_of(os.environ)
    assert journal is not None
    recorder = set_up("/tmp/journal-test/daemon.log", "info", terminal=True, journal=journal)
    log = Log("odd")
    log.info("an odd name", path=os.fsdecode(b"/\\xff\\n\\xc3\\xa9"), text={text!r}, job_id="odd")
    log.info("large", **{{f"part{{n}}": chr(233) * 16000 for n in range(16)}}, job_id="odd")
    journal._limit = 1 << 24
    with journal._lock:
        assert journal._sent(datagram({{
            "MESSAGE": "x" * (1 << 20), "RAW": b"\\xff\\n\\x00", "JOB_ID": "raw"}}))
    try:
        raise AttributeError("nothing there")
    except AttributeError as error:
        log.error("it failed", error=error, job_id="odd")
    assert journal.dropped == 0
    recorder.close()
"""
ASK = """
    import json, os, signal, sys, time
    sys.path.insert(0, "/usr/lib/spacedrive")
    from sd_client.blocking import BlockingClient
    from sd_wire.operations.test import Ping

    rate, stall, journald = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    client = BlockingClient("/run/spacedrive/daemon.sock")
    client.connect()
    client.correlation_id = "stall"

    def ask(seconds):
        taken, start = [], time.perf_counter()
        for number in range(int(seconds * rate)):
            pause = start + number / rate - time.perf_counter()
            if pause > 0:
                time.sleep(pause)
            began = time.perf_counter()
            client.call(Ping(message="here"))
            taken.append(time.perf_counter() - began)
        taken.sort()
        at = lambda part: round(taken[int(len(taken) * part)] * 1000, 2)
        return {"p50": at(0.5), "p99": at(0.99), "max": at(0.9999), "count": len(taken)}

    before = ask(2)
    os.kill(journald, signal.SIGSTOP)
    try:
        during = ask(stall)
    finally:
        os.kill(journald, signal.SIGCONT)
    print(json.dumps({"before": before, "during": during}))
"""


FOLLOW = """
    import signal, subprocess

    words = ["sd", "--socket", "/run/spacedrive/daemon.sock", "logs", "--journal", "--follow"]
    watching = subprocess.Popen([*words, "-n", "1"], stdout=subprocess.PIPE, text=True)
    watching.stdout.readline()
    subprocess.run(["systemctl", "kill", "-s", "HUP", "spacedrive.service"], check=True)
    while "log reopened" not in watching.stdout.readline():
        pass
    print("log reopened")
    watching.send_signal(signal.SIGINT)
    print(watching.wait())
"""


def entries(machine: Machine, words: str) -> list[dict[str, Any]]:
    machine.run("journalctl --sync")
    shown = machine.output(f"journalctl -o json --all --no-pager {words}")
    return [json.loads(line) for line in shown.splitlines()]


def python(machine: Machine, name: str, code: str) -> str:
    machine.write(f"/usr/local/lib/{name}.py", textwrap.dedent(code))
    return f"/usr/bin/python3 -I /usr/local/lib/{name}.py"


@pytest.fixture
def daemon(machine: Machine) -> Iterator[Machine]:
    """The system's daemon runs, anew, and bob is one of its administrators."""
    machine.run("journalctl --update-catalog")
    machine.run("systemctl stop spacedrive.socket spacedrive.service")
    machine.run("systemctl start spacedrive.socket && systemctl start spacedrive.service")
    yield machine
    machine.run(f"rm -f {DROP_IN}; systemctl daemon-reload; systemctl stop spacedrive.service")


def test_a_record_is_an_entry_once(daemon: Machine) -> None:
    pid = daemon.output("systemctl show -P MainPID spacedrive")
    ours = entries(daemon, f"-u spacedrive _PID={pid}")
    ready = [one for one in ours if one["MESSAGE"] == "daemon ready"]
    assert len(ready) == 1
    assert ready[0]["PID"] == pid
    assert ready[0]["MESSAGE_ID"] == "b7caba14d1f341c09cd81bf2f38d5a1b"
    assert ready[0]["SYSLOG_IDENTIFIER"] == "sd-daemon"
    assert ready[0]["CODE_FILE"].endswith("sd_daemon/host/daemon.py")
    assert {one["_TRANSPORT"] for one in ours} == {"journal"}
    assert {one["PRIORITY"] for one in ours} <= set("34567")
    file = daemon.output("cat /var/log/spacedrive/daemon.log").splitlines()
    stamps = [line.split()[0] for line in file]
    assert [one["TIMESTAMP"] for one in ours] == stamps[-len(ours) :]


def test_the_story_of_a_job_is_found_by_its_id(daemon: Machine) -> None:
    daemon.run("mkdir -p /srv/photos && touch /srv/photos/a.jpg && chmod -R a+rX /srv/photos")
    sd = f"sd --socket {SOCKET} --json"
    library = json.loads(daemon.output(f"{sd} library create Photos"))["library_id"]
    daemon.run(f"{sd} --library {library} location add /srv/photos --wait")
    queued = entries(daemon, f"-u spacedrive LIBRARY_ID={library} -g '^job queued'")
    job = queued[-1]["JOB_ID"]
    story = [one["MESSAGE"] for one in entries(daemon, f"-u spacedrive JOB_ID={job}")]
    assert story == ["job queued", "job stopped"]
    explained = daemon.output(f"journalctl -x -u spacedrive JOB_ID={job}")
    assert "Subject: A job was queued" in explained
    assert f"'journalctl JOB_ID={job}' shows all that becomes of it" in explained
    assert f"of the library {library} has stopped. It is\n░░ completed now." in explained


def test_every_catalog_entry_is_known(daemon: Machine) -> None:
    listed = daemon.output("journalctl --list-catalog")
    ours = daemon.output("grep '^-- ' /usr/lib/systemd/catalog/spacedrive.catalog").splitlines()
    assert len(ours) > 20
    for line in ours:
        assert f"{line.removeprefix('-- ')} spacedrive: " in listed


def test_any_text_arrives_as_it_was(daemon: Machine) -> None:
    write = python(daemon, "write", WRITE.format(text=TEXT))
    # Its standard error is the journal's, as a unit's is.
    daemon.run(f"systemd-run --wait --quiet --collect -u odd {write}")
    odd, large, failed = entries(daemon, "-u odd JOB_ID=odd")
    assert (odd["PATH"], odd["TEXT"]) == ("/\\xff\n\xe9", TEXT)
    assert all(large[f"PART{number}"] == "\xe9" * 16_000 for number in range(16))
    assert failed["PRIORITY"] == "3"
    assert failed["MESSAGE"].startswith("it failed\nTraceback (most recent call last):\n")
    (raw,) = entries(daemon, "-u odd JOB_ID=raw")
    assert (len(raw["MESSAGE"]), raw["RAW"]) == (1 << 20, [255, 10, 0])
    plain = daemon.output("journalctl -u odd -o cat JOB_ID=odd")
    assert "AttributeError: nothing there" in plain
    assert len(entries(daemon, "-u odd _TRANSPORT=stdout")) == 0


def test_why_a_daemon_does_not_start_is_told_once(machine: Machine) -> None:
    start = "sd-daemon --data-dir /etc/hostname/no"
    machine.run(f"systemd-run --wait --quiet --collect -u failing {start}", check=False)
    ours = entries(machine, "-u failing SYSLOG_IDENTIFIER=sd-daemon")
    (failed,) = [one for one in ours if one["MESSAGE"].startswith("daemon not started: ")]
    assert failed["_TRANSPORT"] == "journal"
    assert failed["CODE"]
    assert [one for one in ours if failed["REASON"] in one["MESSAGE"]] == [failed]


def test_journal_file_and_daemon_tell_the_same(daemon: Machine) -> None:
    """From its start on: the file remembers longer than the journal, which other tests empty."""
    daemon.run("usermod -a -G systemd-journal bob")
    begin = daemon.output("date -u +%Y-%m-%dT%H:%M:%S.%6NZ")
    daemon.run("systemctl restart spacedrive.service")
    daemon.run("journalctl --sync")
    since = f"--since {begin}"
    wishes = (since, f"-n 2 {since}", f"{since} --target host.daemon --json", f"-n 0 {since}")
    file = daemon.output("cat /var/log/spacedrive/daemon.log").splitlines()
    sd = f"sd --socket {SOCKET} logs"
    for wish in wishes:
        told = daemon.output(f"{sd} {wish}", user="bob")
        assert daemon.output(f"{sd} --journal {wish}", user="bob") == told
        assert told or wish.startswith("-n 0")
        if wish == since:
            assert told.splitlines() == file[-len(told.splitlines()) :]
            assert "daemon ready" in told
    daemon.run("systemctl stop spacedrive.socket spacedrive.service")
    daemon.run("journalctl --sync")
    stopped = daemon.run(f"{sd} -n 3", user="bob")
    assert "this is what the journal has of spacedrive.service" in stopped.stderr
    file = daemon.output("cat /var/log/spacedrive/daemon.log").splitlines()
    assert stopped.stdout.splitlines() == file[-3:]
    refused = daemon.run(f"{sd} --journal", user="carol", check=False)
    assert refused.returncode != 0
    assert "you may not read the journal of spacedrive.service" in refused.stderr


def test_the_journal_is_followed(daemon: Machine) -> None:
    follow = python(daemon, "follow", FOLLOW)
    assert daemon.output(f"timeout 30 {follow}").splitlines() == ["log reopened", "130"]


def test_a_persons_own_daemon_is_in_their_own_journal(machine: Machine) -> None:
    """From its start on: what was there before may be of a daemon that no unit ran, which is in
    the same file and not in the unit's journal."""
    machine.run("systemctl --user stop spacedrive.socket spacedrive.service", user="alice")
    begin = machine.output("date -u +%Y-%m-%dT%H:%M:%S.%6NZ")
    machine.run("systemctl --user start spacedrive.socket spacedrive.service", user="alice")
    machine.run("journalctl --sync")
    shown = machine.output(f"sd logs --journal --since {begin}", user="alice")
    told = machine.output(f"sd logs --since {begin}", user="alice")
    assert shown == told
    assert "daemon starts" in shown
    assert "daemon ready" in shown
    machine.run("systemctl --user stop spacedrive.socket spacedrive.service", user="alice")


def test_a_journal_that_stands_still_holds_nobody_up(daemon: Machine) -> None:
    daemon.write(DROP_IN, "[Service]\nLogRateLimitIntervalSec=0\n")
    daemon.run("systemctl daemon-reload && systemctl restart spacedrive.service")
    pid = daemon.output("systemctl show -P MainPID spacedrive")
    journald = daemon.output("systemctl show -P MainPID systemd-journald")
    ask = python(daemon, "ask", ASK)
    seen = json.loads(daemon.output(f"{ask} {RATE} {STALL} {journald}"))
    print(daemon.release, seen)
    assert daemon.output("systemctl show -P MainPID spacedrive") == pid
    daemon.run(f"sd --socket {SOCKET} status")
    ours = entries(daemon, f"-u spacedrive _PID={pid}")
    missing = sum(int(one["COUNT"]) for one in ours if "did not reach" in one["MESSAGE"])
    reports = sum("did not reach" in one["MESSAGE"] for one in ours)
    assert missing > 0
    assert reports == 1
    stamps = "cat /var/log/spacedrive/daemon.log* | cut -d' ' -f1 | sort"
    begin = min(one["TIMESTAMP"] for one in ours)
    written = [stamp for stamp in daemon.output(stamps).splitlines() if stamp >= begin]
    assert len(ours) - reports + missing == len(written)
    assert len(written) > 2 * STALL * RATE
    assert seen["during"]["p99"] < max(20.0, 3 * seen["before"]["p99"])
