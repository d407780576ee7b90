"""Buckets for the files, and the database for the documents."""

from __future__ import annotations

from typing import Any

from deployments.cloud.decisions import Cloud
from deployments.cloud.resource import Resource
from panoptes.network.catalog.queries import UNINDEXED, composites
from panoptes.network.settings import LOCATIONS

_SOFT_DELETE_DAYS = 14
_DAY = 86_400


def buckets(cloud: Cloud) -> list[Resource]:
    """One for each location; they hold the archive, so teardown leaves them."""
    found = []
    for location in LOCATIONS:
        name = f"gs://{cloud.bucket(location)}"
        rules = [{"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}]
        if location in ("images", "originals"):
            cool = {"type": "SetStorageClass", "storage_class": "NEARLINE"}
            rules.append({"action": cool, "condition": {"age": cloud.cool_days}})
        settings = (
            "--uniform-bucket-level-access",
            "--public-access-prevention",
            f"--soft-delete-duration={_SOFT_DELETE_DAYS}d",
        )
        found.append(
            Resource(
                "google_storage_bucket",
                location,
                {
                    "name": cloud.bucket(location),
                    "location": cloud.region,
                    "uniform_bucket_level_access": True,
                    "public_access_prevention": "enforced",
                    "soft_delete_policy": {
                        "retention_duration_seconds": _SOFT_DELETE_DAYS * _DAY
                    },
                    "lifecycle_rule": rules,
                    "force_destroy": False,
                    "lifecycle": {"prevent_destroy": True},
                },
                describe=("storage", "buckets", "describe", name),
                create=("storage", "buckets", "create", name, f"--location={cloud.region}",
                        *settings),
                update=("storage", "buckets", "update", name, *settings,
                        f"--lifecycle-file=lifecycle-{_lifecycle(location)}.json"),
                follows=("google_project_service.storage",),
            )
        )  # fmt: skip
    return found


def _lifecycle(location: str) -> str:
    return "archive" if location in ("images", "originals") else "others"


def lifecycle_files(cloud: Cloud) -> dict[str, Any]:
    """What gcloud reads of buckets' lifecycles, by the files' names."""
    rules: list[Any] = [
        {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": 7}}
    ]
    cool = {
        "action": {"type": "SetStorageClass", "storageClass": "NEARLINE"},
        "condition": {"age": cloud.cool_days},
    }
    return {
        "lifecycle-others.json": {"rule": rules},
        "lifecycle-archive.json": {"rule": [*rules, cool]},
    }


def database(cloud: Cloud) -> list[Resource]:
    place = f"--location={cloud.region}"
    database = Resource(
        "google_firestore_database",
        "catalog",
        {
            "name": "(default)",
            "location_id": cloud.region,
            "type": "FIRESTORE_NATIVE",
            "delete_protection_state": "DELETE_PROTECTION_ENABLED",
            "point_in_time_recovery_enablement": "POINT_IN_TIME_RECOVERY_ENABLED",
            "lifecycle": {"prevent_destroy": True},
        },
        describe=("firestore", "databases", "describe", "--database=(default)"),
        create=("firestore", "databases", "create", "--database=(default)", place,
                "--type=firestore-native", "--delete-protection", "--enable-pitr"),
        update=("firestore", "databases", "update", "--database=(default)",
                "--delete-protection", "--enable-pitr"),
        follows=("google_project_service.firestore",),
    )  # fmt: skip
    indexes = [_index(each.collection, each.ordered) for each in composites()]
    exempt = [
        _exempt(collection, field) for collection in UNINDEXED for field in UNINDEXED[collection]
    ]
    return [database, *indexes, *exempt]


def _exempt(collection: str, field: str) -> Resource:
    return Resource(
        "google_firestore_field",
        f"{collection}_{field}",
        {
            "database": "${google_firestore_database.catalog.name}",
            "collection": collection,
            "field": field,
            "index_config": {},
        },
        create=("firestore", "indexes", "fields", "update", field, "--database=(default)",
                f"--collection-group={collection}", "--disable-indexes", "--async"),
    )  # fmt: skip


def _index(collection: str, ordered: tuple[tuple[str, bool], ...]) -> Resource:
    ways = [(name, "descending" if descends else "ascending") for name, descends in ordered]
    label = "_".join((collection, *(f"{name}_{way[:-6]}" for name, way in ways)))
    fields = [f"--field-config=field-path={name},order={way}" for name, way in ways]
    return Resource(
        "google_firestore_index",
        label,
        {
            "database": "${google_firestore_database.catalog.name}",
            "collection": collection,
            "fields": [{"field_path": name, "order": way.upper()} for name, way in ways],
        },
        create=("firestore", "indexes", "composite", "create", "--database=(default)",
                f"--collection-group={collection}", "--query-scope=collection", *fields,
                "--async"),
    )  # fmt: skip
