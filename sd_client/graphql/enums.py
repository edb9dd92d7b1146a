"""Enumerations of the contract. Their values are called as the contract's members are, and stand
for what the wire has."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from graphql import GraphQLEnumType, GraphQLEnumValue

from sd_client.graphql.shapes import documentation_of

if TYPE_CHECKING:
    from collections.abc import Iterable


class Enums:
    """Those of one schema, by their class."""

    def __init__(self) -> None:
        self._made: dict[type[Any], GraphQLEnumType] = {}

    def of(self, cls: type[Any]) -> GraphQLEnumType:
        """The enumeration of a class."""
        if cls not in self._made:
            assert issubclass(cls, Enum)
            values = {one.name: GraphQLEnumValue(one) for one in cls}
            self._made[cls] = GraphQLEnumType(
                cls.__name__, values, description=documentation_of(cls)
            )
        return self._made[cls]


def enum_of_names(name: str, about: str, names: Iterable[tuple[str, str]]) -> GraphQLEnumType:
    """An enumeration of names that stand for themselves, each with what it means."""
    values = {one: GraphQLEnumValue(one, description=text) for one, text in names}
    return GraphQLEnumType(name, values, description=about)
