"""Which permissions each call of the network needs on Google Cloud, and which a role gives.

The needs are those of the JSON API's methods
(https://cloud.google.com/storage/docs/access-control/iam-json) and of Firestore's
(https://cloud.google.com/firestore/docs/security/iam).
"""

from __future__ import annotations

from collections.abc import Mapping

_GET, _LIST = "storage.objects.get", "storage.objects.list"
_CREATE, _DELETE = "storage.objects.create", "storage.objects.delete"
STORE: Mapping[str, frozenset[str]] = {
    "check": frozenset({_LIST}),
    "copy_to": frozenset({_GET}),
    "count_passing": frozenset(),
    "delete": frozenset({_DELETE}),
    "folders": frozenset({_LIST}),
    "hindrance": frozenset(),
    "list": frozenset({_LIST}),
    "opened": frozenset({_GET}),
    "put": frozenset({_CREATE, _DELETE, _GET}),
    "read": frozenset({_GET}),
    "read_range": frozenset({_GET}),
    "receive": frozenset({_CREATE, _DELETE, _GET}),
    "seconds_to_rest": frozenset(),
    "stat": frozenset({_GET}),
}
"""By method of a `Store`. Replacing an object needs the right to delete; without the one to
list, an object that is absent looks forbidden."""
CATALOG: Mapping[str, frozenset[str]] = {
    "aggregate": frozenset({"datastore.entities.list"}),
    "check": frozenset({"datastore.entities.get"}),
    "close": frozenset(),
    "create": frozenset({"datastore.entities.create"}),
    "create_missing": frozenset({"datastore.entities.create"}),
    "delete": frozenset({"datastore.entities.delete"}),
    "get": frozenset({"datastore.entities.get"}),
    "nested": frozenset({"datastore.entities.list"}),
    "query": frozenset({"datastore.entities.list", "datastore.entities.get"}),
    "update": frozenset({"datastore.entities.update"}),
}
"""By method of a `Catalog`."""
ROLES: Mapping[str, frozenset[str]] = {
    "roles/storage.objectUser": frozenset(
        {_GET, _LIST, _CREATE, _DELETE, "storage.objects.update"}
    ),
    "roles/storage.objectViewer": frozenset({_GET, _LIST}),
    "roles/datastore.user": frozenset(
        f"datastore.entities.{verb}" for verb in ("create", "delete", "get", "list", "update")
    ),
}
"""Of what a role gives, what matters here
(https://cloud.google.com/storage/docs/access-control/iam-roles)."""
READING = frozenset(
    {"check", "folders", "list", "opened", "read", "read_range", "seconds_to_rest", "stat"}
)
"""The methods of a store by which the services show an archive."""
