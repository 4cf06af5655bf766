"""Sends notifications as OpenStack's services do, through the real oslo.messaging; run as a script.

    producer.py AMQP_URL FIRST COUNT

Sends COUNT rounds, numbered from FIRST, of one notification of each kind. What is in them depends on the
number alone, so a checker knows the samples without being told.
"""

import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

EPOCH = datetime(2026, 11, 1, tzinfo=UTC)


def when(number: int) -> datetime:
    """The moment a round speaks of."""
    return EPOCH + timedelta(seconds=number)


def nova(number: int) -> dict[str, Any]:  # Any: a notification's payload
    return {
        "tenant_id": f"project-{number % 3}",
        "user_id": "user-1",
        "instance_id": str(uuid.UUID(int=number)),
        "display_name": f"vm-{number}",
        "instance_type": "m1.small",
        "instance_flavor_id": "flavor-1",
        "memory_mb": 2048,
        "vcpus": 2,
        "root_gb": 20,
        "ephemeral_gb": 0,
        "disk_gb": 20,
        "host": "compute-1",
        "state": "active",
        "created_at": f"{when(number):%Y-%m-%d %H:%M:%S}+00:00",
        "launched_at": f"{when(number):%Y-%m-%dT%H:%M:%S}.000000",
        "deleted_at": "",
        "image_meta": {"base_image_ref": "image-1"},
        "metadata": {},
        "audit_period_beginning": f"{when(number):%Y-%m-%d %H:%M:%S}",
        "audit_period_ending": f"{when(number):%Y-%m-%d %H:%M:%S}",
    }


def cinder(number: int) -> dict[str, Any]:  # Any: a notification's payload
    return {
        "tenant_id": f"project-{number % 3}",
        "user_id": "user-1",
        "volume_id": str(uuid.UUID(int=10**6 + number)),
        "volume_type": "type-1",
        "display_name": f"volume-{number}",
        "size": number % 100 + 1,
        "status": "available",
        "host": "cinder@lvm",
        "availability_zone": "nova",
        "created_at": f"{when(number):%Y-%m-%dT%H:%M:%S}+00:00",
        "launched_at": f"{when(number):%Y-%m-%dT%H:%M:%S}+00:00",
        "metadata": [],
        "glance_metadata": [],
        "volume_attachment": [],
        "snapshot_id": None,
    }


def glance(number: int) -> dict[str, Any]:  # Any: a notification's payload
    return {
        "bytes_sent": 1_000_000_007 * (number + 1),
        "image_id": f"image-{number % 5}",
        "owner_id": "project-0",
        "receiver_tenant_id": f"project-{number % 3}",
        "receiver_user_id": "user-1",
    }


def neutron(number: int) -> dict[str, Any]:  # Any: a notification's payload
    return {
        "label_id": f"label-{number % 4}",
        "project_id": f"project-{number % 3}",
        "pkts": number,
        "bytes": 3 * number + 1,
        "time": 60,
        "first_update": 1_700_000_000,
        "last_update": 1_700_000_060,
        "host": "network-1",
    }


# exchange, driver, publisher, event type, payload
KINDS = (
    ("nova", "messagingv2", "compute.compute-1", "compute.instance.exists", nova),
    ("openstack", "messagingv2", "volume.cinder@lvm", "volume.create.end", cinder),
    ("glance", "messaging", "image.localhost", "image.send", glance),
    ("neutron", "messaging", "metering.network-1", "l3.meter", neutron),
)


def main(url: str, first: int, count: int) -> None:
    import oslo_messaging
    from oslo_config import cfg

    for exchange, driver, publisher, event_type, payload in KINDS:
        conf = cfg.ConfigOpts()
        conf([])
        oslo_messaging.set_transport_defaults(exchange)
        transport = oslo_messaging.get_notification_transport(conf, url=url.replace("amqp://", "rabbit://"))
        notifier = oslo_messaging.Notifier(transport, publisher, driver=driver, topics=["notifications"])
        for number in range(first, first + count):
            notifier.info({}, event_type, payload(number))
        transport.cleanup()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
