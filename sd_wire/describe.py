"""The contract as JSON Schema (2020-12), made from the declarations.

`contract()` is one document, and a schema itself: any line of the wire in JSON is valid by it. What
the shapes of messages cannot say stands beside, under names that JSON Schema leaves alone: the
operations, each with its request, its result and its errors; the events; the errors. All of it
refers to the same `$defs`, so that nothing outside of the document is needed.

Two things are not as the structs have them. A message is described form by form, because a struct
with twenty optional keys would allow what never comes; an event is described as it stands on the
wire, with its name around its fields.
"""

from __future__ import annotations

from functools import cache
from inspect import cleandoc
from typing import Any, get_type_hints

import msgspec

import sd_wire.catalogue  # noqa: F401  (declares the operations)
from sd_wire.errors import SdError
from sd_wire.events import EVENTS, Event, LogMessage, Refresh, VolumeAdded
from sd_wire.messages import (
    MAX_PENDING,
    PROTOCOL_VERSION,
    WORDS,
    Done,
    Envelope,
    EventFacts,
    Failed,
    Reply,
)
from sd_wire.operation import CATALOGUE, Operation
from sd_wire.operations.core import (
    Description,
    ErrorDescription,
    EventDescription,
    OperationDescription,
)

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "The protocol of the Spacedrive daemon"

_TEMPLATE = "#/$defs/{name}"
_CALLS = ("Query", "Action", "JsonQuery", "JsonAction")
_ACKNOWLEDGEMENTS = ("LogsSubscribed", "LogsUnsubscribed", "Pong", "Subscribed", "Unsubscribed")


def reference(name: str) -> Schema:
    """The schema that is a type of the document."""
    return {"$ref": _TEMPLATE.format(name=name)}


@cache
def contract() -> Description:
    """Everything that is declared. Built when first asked for, and kept."""
    operations = [operation for _, operation in sorted(CATALOGUE.items())]
    events = [cls for _, cls in sorted(EVENTS.items())]
    declared: list[Any] = [operation.request for operation in operations]
    declared += [operation.result for operation in operations]
    with_fields = [cls for cls in events if not _is_bare(cls)]
    declared += [_behind_the_name(cls) for cls in with_fields]
    declared += [Envelope, Reply, EventFacts]
    schemas, types = msgspec.json.schema_components(declared, ref_template=_TEMPLATE)
    _say_which_texts_are_times(declared, types)
    count = len(operations)
    described = zip(operations, schemas[:count], schemas[count : 2 * count], strict=True)
    names = [cls.__name__ for cls in with_fields]
    happenings = dict(zip(names, schemas[2 * count :], strict=False))
    _add(types, _requests(types.pop("Envelope")))
    _add(types, _replies(types.pop("Reply"), types.pop("EventFacts")))
    _add(types, {"Event": _any_event(events, happenings)})
    return Description(
        dialect=DIALECT,
        title=TITLE,
        protocol=PROTOCOL_VERSION,
        messages=[reference("Request"), reference("Reply")],
        operations=[_operation(one, request, result) for one, request, result in described],
        events=[_event(cls, happenings.get(cls.__name__)) for cls in events],
        errors=[_error(cls) for _, cls in sorted(SdError.catalogue.items())],
        types={name: types[name] for name in sorted(types)},
    )


def contract_of(operation: Operation) -> Description:
    """What concerns one operation."""
    whole = contract()
    described = next(one for one in whole.operations if one.name == operation.name)
    return Description(
        dialect=whole.dialect,
        title=operation.name,
        protocol=whole.protocol,
        operations=[described],
        events=[],
        errors=[one for one in whole.errors if one.code in described.errors],
        types=_reachable([described.request, described.result], whole.types),
    )


def _operation(operation: Operation, request: Schema, result: Schema) -> OperationDescription:
    return OperationDescription(
        name=operation.name,
        method=operation.method,
        kind=str(operation.kind),
        scope=str(operation.scope),
        permission=str(operation.permission),
        documentation=cleandoc(operation.documentation),
        request=request,
        result=result,
        errors=sorted(cls.code for cls in operation.errors),
    )


def _error(cls: type[SdError]) -> ErrorDescription:
    return ErrorDescription(
        code=cls.code,
        kind=cls.kind,
        message=cls.message,
        hint=cls.hint,
        exit_status=int(cls.exit_status),
        retryable=cls.retryable,
        documentation=cleandoc(cls.__doc__ or ""),
    )


# --- events --------------------------------------------------------------------------------------


def _behind_the_name(cls: type[Event]) -> Any:
    return get_type_hints(cls)["volume"] if cls is VolumeAdded else cls


def _is_bare(cls: type[Event]) -> bool:
    return cls is Refresh or not cls.__struct_fields__


def _event(cls: type[Event], fields: Schema | None) -> EventDescription:
    name = cls.__name__
    schema: Schema = {"const": name}
    if fields is not None:
        schema = {"type": "object", "properties": {name: fields}, "required": [name]}
    documentation = cleandoc(cls.__doc__ or "")
    return EventDescription(name, documentation, cls.noisy, cls.asked_for, schema)


def _any_event(events: list[type[Event]], happenings: dict[str, Schema]) -> Schema:
    return {
        "description": "An event: an object with its name as the one key, or the name alone.",
        "anyOf": [
            {"enum": [cls.__name__ for cls in events if cls.__name__ not in happenings]},
            {
                "type": "object",
                "properties": happenings,
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ],
    }


# --- messages ------------------------------------------------------------------------------------


def _requests(shape: Schema) -> dict[str, Schema]:
    """Every request, and `Request` for any of them."""
    keys: dict[str, Schema] = shape["properties"]
    beside = {name: keys[name] for name in keys if name.islower()}
    named = {name: keys[name] for name in keys if name not in beside}
    members = [reference(f"{name}Request") for name in _CALLS]
    named["Batch"] = {"type": "array", "items": {"anyOf": members}, "maxItems": MAX_PENDING}
    forms = {
        f"{name}Request": _form(name, schema, beside) for name, schema in sorted(named.items())
    }
    forms["Request"] = _one_of("A request.", sorted(WORDS), forms)
    return forms


_ABOUT_REPLIES = {
    "Batch": "The answers to a batch, one for each of its requests, in their order.",
    "Error": cleandoc(Failed.__doc__ or ""),
    "Event": "Something that a subscription is told. The facts beside it come with an id.",
    "JsonOk": cleandoc(Done.__doc__ or ""),
    "Ok": "Shutdown was understood; the daemon stops.",
}


def _replies(shape: Schema, facts: Schema) -> dict[str, Schema]:
    """Every reply, and `Reply` for any of them."""
    keys: dict[str, Schema] = shape["properties"]
    named = {name: schema for name, schema in keys.items() if name[0].isupper()}
    kinds = sorted({cls.kind for cls in SdError.catalogue.values()})
    one_kind = {"minProperties": 1, "maxProperties": 1, "propertyNames": {"enum": kinds}}
    members = [reference("JsonOkReply"), reference("ErrorReply")]
    named |= {
        "Batch": {"type": "array", "items": {"anyOf": members}, "maxItems": MAX_PENDING},
        "Cancelled": reference("Cancelled"),
        "Error": {**named["Error"], **one_kind},
        "Event": reference("Event"),
        "LogMessage": reference(LogMessage.__name__),
        "Ok": {"type": "array", "maxItems": 0},
    }
    forms = {
        f"{name}Reply": _form(name, schema, {"id": keys["id"]}, _ABOUT_REPLIES.get(name))
        for name, schema in sorted(named.items())
    }
    forms["ErrorReply"]["properties"]["details"] = keys["details"]
    forms["EventReply"]["properties"] |= facts["properties"]
    forms["EventReply"]["dependentRequired"] = {"id": facts["required"]}
    forms["Reply"] = _one_of("An answer, or what a subscription is told.", _ACKNOWLEDGEMENTS, forms)
    return forms


def _form(name: str, schema: Schema, beside: Schema, about: str | None = None) -> Schema:
    form = {"type": "object", "properties": {name: schema, **beside}, "required": [name]}
    return form if about is None else {"description": about, **form}


def _one_of(about: str, words: Any, forms: dict[str, Schema]) -> Schema:
    return {"description": about, "oneOf": [{"enum": list(words)}, *map(reference, forms)]}


# --- types ---------------------------------------------------------------------------------------


def _add(types: dict[str, Schema], more: dict[str, Schema]) -> None:
    """Put types beside those that there are. A name has one meaning."""
    twice = types.keys() & more.keys()
    if twice:
        raise TypeError(f"two types of the contract are called {min(twice)!r}")
    types.update(more)


def _say_which_texts_are_times(declared: list[Any], types: dict[str, Schema]) -> None:
    """msgspec calls a datetime a string and says no more, because it could be without a zone.
    Ours are not."""
    waiting: list[Any] = list(msgspec.inspect.multi_type_info(declared))
    seen: set[str] = set()
    while waiting:
        found = waiting.pop()
        if isinstance(found, msgspec.inspect.StructType):
            name = found.cls.__name__
            if name in seen:
                continue
            seen.add(name)
            for field in found.fields:
                if _is_time(field.type):
                    _mark(types[name]["properties"][field.encode_name])
            waiting += [field.type for field in found.fields]
        waiting += _inner(found)


def _inner(kind: Any) -> list[Any]:
    found = [getattr(kind, name, None) for name in ("item_type", "key_type", "value_type", "type")]
    return [*getattr(kind, "types", ()), *(one for one in found if one is not None)]


def _is_time(kind: Any) -> bool:
    return isinstance(kind, msgspec.inspect.DateTimeType) or any(map(_is_time, _inner(kind)))


def _mark(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _mark(item)
    elif isinstance(schema, dict):
        if schema.get("type") == "string":
            schema.setdefault("format", "date-time")
        _mark(list(schema.values()))


def _reachable(schemas: list[Schema], types: dict[str, Schema]) -> dict[str, Schema]:
    """The types that the schemas refer to, and those that these refer to."""
    found: set[str] = set()
    waiting: list[Any] = list(schemas)
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            waiting += part.values()
            name = str(part.get("$ref", "")).rpartition("/")[2]
            if name in types and name not in found:
                found.add(name)
                waiting.append(types[name])
    return {name: types[name] for name in sorted(found)}
