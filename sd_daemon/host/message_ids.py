"""The kinds of records that the journal knows by an id of their own (MESSAGE_ID).

A record's sentence is constant, and so names its kind. Each kind here has an entry in
contrib/systemd/catalog/spacedrive.catalog, which `journalctl -x` shows: what it means and what to
do. Ids never change, and are not given a second time: people search and alert by them.
"""

from __future__ import annotations

DROPPED = "records did not reach the journal"

MESSAGE_IDS = {
    # the daemon
    "daemon ready": "b7caba14d1f341c09cd81bf2f38d5a1b",
    "daemon stopped": "0081729fa0b14ce88cfb575bbac8b7e1",
    "daemon not started": "7a316f74fc674d308de4a2aabaa5ef0e",
    "the configuration stays as it was": "3145b71a854245e48b6f4546ffcdadf0",
    "the daemon does not do its work": "76016b2dd319419295d97cc30c564bf5",
    "not all is well": "63261b219fe04febb16e04fa1ef03d57",
    "the loop was held up": "116cdf225b59409793694dfc39a7c237",
    "the core could not be opened": "c508308e15d0452b97451746c676cb1e",
    "memory is short: what can be read again is forgotten": "05ae9f913133413794895439fdc8d369",
    "a handler failed": "79ffaa73591e4c77987bc35622a12dd5",
    DROPPED: "0b5b56be4c83476cbd2ad8835c252482",
    # clients
    "a request was refused": "51eb1137367d479f880d8b3c141177e6",
    "a client was turned away": "d10d020e9c274c5dbfa850670e88c273",
    "a client was cut off": "957212f9a89343128648c0d14fefd02c",
    "nobody can connect for now": "81697414175d435fa781267dbe12c8e7",
    # libraries
    "library open": "7e1b23bf7907415d8a1df2d3d9bc83aa",
    "library closed": "c5ab5447efcd48bb963841628b567bcd",
    "library not opened": "38dc78c276534da9abf226c4e6260ed2",
    "libraries.json is damaged": "bb49f714725e4ad6af9f1711e9593d81",
    # jobs
    "job queued": "2e06da55d95c4b15922b036790a0a555",
    "job continues": "74c09d0b5b314a12b2b131cc9c006241",
    "job stopped": "172f3f955e5a4061a26122e1769ba24f",
    "job failed": "ab51d614ce4748acb48b3e5d5e431ee3",
    "a worker complained": "0f7be427f5904655aa78070ddc002cf4",
    # the disk
    "the log file cannot be written": "d2e3d4f2d9634f4cba8d9df836d07f1c",
    "a job's state was not stored": "1c3c727411a24b5a8a7f5b2e785faeed",
    "events are not kept": "e24509a613be4f719f7f59edecd38d38",
    "some events may be gone": "dc4a5c8a44124651ac5835ae2bd41c1d",
    "some events cannot be read": "4224e93b73ed4364bb56c9f6773c3d55",
}
