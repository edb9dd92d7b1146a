"""Files copied, moved, deleted and brought back by the installed daemon, in its sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from machine import Machine
    from service import Service

PLANT = """set -e
mkdir -p work/docs/inner; cd work/docs
printf one > a.txt; ln a.txt hard; ln -s a.txt link; truncate -s 3M hole
printf x > "$(printf 'n\\377')"
printf tool > inner/tool; chmod 4755 inner/tool; chmod 2775 inner; mkfifo inner/pipe
touch -d '2001-02-03 04:05:06' a.txt inner
"""
SEEN = "find . -mindepth 1 -printf '%P %y %m %s %n %TY-%Tm-%Td\\n' | sort"


@pytest.fixture(scope="module")
def home(machine: Machine) -> Iterator[Machine]:
    """A person with some files, a library, and a daemon that starts when it is needed."""
    machine.run(PLANT, user="alice")
    machine.run("systemctl --user start spacedrive.socket", user="alice")
    machine.run("cd work && sd library create Work && sd location add . --wait", user="alice")
    yield machine
    machine.run("sd library delete Work --delete-data --yes", user="alice")


def test_a_copy_is_all_that_the_original_is(home: Machine) -> None:
    """Except the bits that give away rights, which no unit of ours lets a daemon set."""
    home.run("cd work && sd cp docs copy", user="alice")
    original = home.output(f"cd work/docs && {SEEN}", user="alice")
    copied = home.output(f"cd work/copy && {SEEN}", user="alice")
    assert copied == original.replace(" 4755 ", " 755 ").replace(" 2775 ", " 775 ")
    assert home.output("cd work && stat -c %b copy/hole", user="alice") == "0"


def test_a_tree_of_many_small_files_is_copied_by_two_processes(home: Machine) -> None:
    home.run("cd work && mkdir many && seq 2000 | split -l 1 -a 4 - many/file", user="alice")
    # there is a process of a worker's: the daemon's child's child
    watch = (
        "for i in $(seq 300); do"
        " for w in $(pgrep -P $(systemctl --user show -P MainPID spacedrive.service));"
        " do pgrep -P $w && exit; done; sleep 0.01; done"
    )
    script = f"cd work && ({watch}) > ../seen & cd work && sd cp --verify many again && wait"
    home.run(script, user="alice")
    assert home.output("cat seen", user="alice").strip(), "no second process was seen"
    assert home.output("cd work && diff -r many again", user="alice") == ""
    assert "complained" not in home.output(
        "journalctl --user -u spacedrive.service --no-pager -o cat", user="alice"
    )


def test_what_goes_to_the_trash_comes_back(home: Machine) -> None:
    home.run("cd work && sd mv copy moved", user="alice")
    home.run("cd work && sd rm moved", user="alice")
    home.run("test ! -e work/moved && test -e .local/share/Trash/files/moved/a.txt", user="alice")
    home.run("cd work && sd undo && test -e moved/a.txt", user="alice")
    home.run("cd work && sd undo && test -e copy/a.txt", user="alice")


def test_the_index_follows_what_other_programs_do(home: Machine) -> None:
    script = "cd work && mkdir fresh && echo 1 > fresh/sunrise.txt && sd index catch-up"
    home.run(script, user="alice")
    assert "fresh/sunrise.txt" in home.output("sd search sunrise", user="alice")


def test_the_systems_daemon_changes_nothing_that_was_not_opened(service: Service) -> None:
    machine = service.machine
    machine.run("mkdir -p /srv/files && echo 1 > /srv/files/a && chown -R spacedrive: /srv/files")
    machine.run("sd library create Files", user="bob")
    refused = machine.run("sd cp /srv/files/a /srv/files/b", user="bob", check=False)
    assert refused.returncode == 4
    assert "/srv/files" in refused.stderr + refused.stdout
    service.use("serve-srv")
    machine.run("systemctl restart spacedrive.service")
    machine.run("sd cp /srv/files/a /srv/files/b && cmp /srv/files/a /srv/files/b")
