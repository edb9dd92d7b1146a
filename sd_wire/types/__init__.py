"""The nouns of the contract, one file each.

Their JSON is that of existing Spacedrive clients: those names, those fields, null where there is
nothing. What is ours alone is optional, comes last and says so.
"""

from __future__ import annotations
