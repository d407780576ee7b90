"""How an upload is told of: bucket, topic, push subscription, and what nobody took."""

from __future__ import annotations

from deployments.cloud.decisions import PUSHER, RECEIVER, Cloud, email_of
from deployments.cloud.resource import Resource

_DAY = 86_400


def events(cloud: Cloud) -> list[Resource]:
    """Bucket, topic, push subscription; what the receiver never took is kept for 31 days."""
    endpoint = cloud.events_url
    topic, refused = "panoptes-uploads", "panoptes-uploads-refused"
    pushes = ("--ack-deadline=60", "--min-retry-delay=10s", "--max-retry-delay=600s",
              f"--dead-letter-topic={refused}", "--max-delivery-attempts=100",
              f"--push-endpoint={endpoint}",
              f"--push-auth-service-account={cloud.email(PUSHER)}",
              f"--push-auth-token-audience={endpoint}")  # fmt: skip
    topics = [
        Resource(
            "google_pubsub_topic",
            label,
            {"name": name},
            describe=("pubsub", "topics", "describe", name),
            create=("pubsub", "topics", "create", name),
            delete=("pubsub", "topics", "delete", name),
            follows=("google_project_service.pubsub",),
        )
        for label, name in (("uploads", topic), ("refused", refused))
    ]
    kept = Resource(
        "google_pubsub_subscription",
        "refused",
        {
            "name": refused,
            "topic": "${google_pubsub_topic.refused.id}",
            "message_retention_duration": f"{31 * _DAY}s",
            "expiration_policy": {"ttl": ""},
        },
        describe=("pubsub", "subscriptions", "describe", refused),
        create=("pubsub", "subscriptions", "create", refused, f"--topic={refused}",
                "--message-retention-duration=31d", "--expiration-period=never"),
        delete=("pubsub", "subscriptions", "delete", refused),
    )  # fmt: skip
    pushed = Resource(
        "google_pubsub_subscription",
        "receiver",
        {
            "name": "panoptes-receiver",
            "topic": "${google_pubsub_topic.uploads.id}",
            "ack_deadline_seconds": 60,
            "expiration_policy": {"ttl": ""},
            "retry_policy": {"minimum_backoff": "10s", "maximum_backoff": "600s"},
            "dead_letter_policy": {
                "dead_letter_topic": "${google_pubsub_topic.refused.id}",
                "max_delivery_attempts": 100,
            },
            "push_config": {
                "push_endpoint": endpoint,
                "oidc_token": {
                    "service_account_email": email_of(PUSHER),
                    "audience": endpoint,
                },
            },
        },
        describe=("pubsub", "subscriptions", "describe", "panoptes-receiver"),
        create=("pubsub", "subscriptions", "create", "panoptes-receiver", f"--topic={topic}",
                "--expiration-period=never", *pushes),
        update=("pubsub", "subscriptions", "update", "panoptes-receiver", *pushes),
        delete=("pubsub", "subscriptions", "delete", "panoptes-receiver"),
        follows=(f"google_cloud_run_v2_service.{RECEIVER}",),
    )  # fmt: skip
    incoming = f"gs://{cloud.bucket('incoming')}"
    notified = Resource(
        "google_storage_notification",
        "uploads",
        {
            "bucket": "${google_storage_bucket.incoming.name}",
            "topic": "${google_pubsub_topic.uploads.id}",
            "payload_format": "JSON_API_V1",
            "event_types": ["OBJECT_FINALIZE"],
        },
        describe=("storage", "buckets", "notifications", "list", incoming,
                  "--format=value(name)"),
        create=("storage", "buckets", "notifications", "create", incoming, f"--topic={topic}",
                "--event-types=OBJECT_FINALIZE", "--payload-format=json"),
        delete=("storage", "buckets", "notifications", "delete", incoming, "--quiet"),
        follows=("google_pubsub_topic_iam_member.storage_publishes",),
    )  # fmt: skip
    # Only who may take a message from its subscription can put it with the refused ones.
    agent = f"serviceAccount:{cloud.agent('pubsub')}"
    flags = ("panoptes-receiver", f"--member={agent}", "--role=roles/pubsub.subscriber")
    takes = Resource(
        "google_pubsub_subscription_iam_member",
        "pubsub_takes",
        {
            "subscription": "${google_pubsub_subscription.receiver.name}",
            "role": "roles/pubsub.subscriber",
            "member": agent,
        },
        create=("pubsub", "subscriptions", "add-iam-policy-binding", *flags),
        delete=("pubsub", "subscriptions", "remove-iam-policy-binding", *flags),
    )
    publishes = _topic_right("storage_publishes", topic, "uploads", cloud.storage_agent, cloud)
    buries = _topic_right("pubsub_buries", refused, "refused", cloud.agent("pubsub"), cloud)
    return [*topics, publishes, buries, kept, pushed, takes, notified]


def _topic_right(label: str, topic: str, of: str, agent: str, cloud: Cloud) -> Resource:
    role, member = "roles/pubsub.publisher", f"serviceAccount:{agent}"
    flags = (topic, f"--member={member}", f"--role={role}")
    return Resource(
        "google_pubsub_topic_iam_member",
        label,
        {"topic": f"${{google_pubsub_topic.{of}.name}}", "role": role, "member": member},
        create=("pubsub", "topics", "add-iam-policy-binding", *flags),
        delete=("pubsub", "topics", "remove-iam-policy-binding", *flags),
    )
