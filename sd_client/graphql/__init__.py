"""The GraphQL server: the whole contract over HTTP, for browsers and GraphQL clients."""

from __future__ import annotations
