"""Search by name.

A person types parts of a name, in any order, without care for case or accents: every word must
occur somewhere in the folded name. Nothing a person can type is an operator, so nothing can be a
syntax error.

The names that can match come from the trigram index; from the index of names where the words are
too short for trigrams or the best hits would otherwise be missed; and, for entries that the
trigram index does not have yet, from reading them. The trigrams of a word may stand apart, so each
candidate's name is folded and looked at before it counts as a hit.

A common word has more hits than anyone can look at. Only so many are ranked: those whose name
begins with what was typed, and of the rest the newest. What lies beyond follows in the order in
which it was indexed, and can be reached all the same by paging on.

    text        what was typed, taken apart        rank        how well a name fits
    restrict    filters and scope, as SQL          facets      how hits spread over types and sizes
    sources     where candidates come from         highlight   where in a name the words are
    files       the operation
"""

from __future__ import annotations
