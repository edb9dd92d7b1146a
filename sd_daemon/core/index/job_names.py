"""What the jobs of an index are called; whoever only starts one need not know how it works."""

from __future__ import annotations

INDEXER = "indexer"
VERIFY = "index_verify"
PURGE = "location_purge"
EXPORT = "location_export"
IMPORT = "location_import"
