"""A service that sends notifications with the real oslo.messaging, as a program of its own.

Arguments: broker URL, exchange, driver, topic, publisher id. Input: a JSON list of [event type, payload].
"""

import json
import sys

import oslo_messaging
from oslo_config import cfg


def main() -> None:
    url, exchange, driver, topic, publisher_id = sys.argv[1:]
    configuration = cfg.ConfigOpts()
    configuration([], project="sender")
    oslo_messaging.set_transport_defaults(exchange)
    transport = oslo_messaging.get_notification_transport(
        configuration, url=url.replace("amqp://", "rabbit://")
    )
    notifier = oslo_messaging.Notifier(transport, publisher_id=publisher_id, driver=driver, topics=[topic])
    for event_type, payload in json.load(sys.stdin):
        notifier.info({"user_id": "user-1", "project_id": "project-1"}, event_type, payload)
    transport.cleanup()


if __name__ == "__main__":
    main()
