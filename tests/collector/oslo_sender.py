"""Services that send notifications with the real oslo.messaging, as a program of its own.

Arguments: broker URL, exchange, topic, drivers. Input: a JSON list of notifications with event_type, payload and, if
need be, publisher_id, priority, context, of which oslo.context keeps what it knows and no secret. Every driver sends
all of them, over one connection.
"""

import json
import sys

import oslo_messaging
from oslo_config import cfg
from oslo_context.context import RequestContext

CONTEXT = {"user_id": "user-1", "project_id": "project-1"}


def main() -> None:
    url, exchange, topic, *drivers = sys.argv[1:]
    configuration = cfg.ConfigOpts()
    configuration([], project="sender")
    oslo_messaging.set_transport_defaults(exchange)
    transport = oslo_messaging.get_notification_transport(
        configuration, url=url.replace("amqp://", "rabbit://")
    )
    told = json.load(sys.stdin)
    for driver in drivers:
        notifier = oslo_messaging.Notifier(transport, driver=driver, topics=[topic])
        for one in told:
            sender = notifier.prepare(publisher_id=one.get("publisher_id", f"{exchange}.node-1"))
            tell = getattr(sender, one.get("priority", "INFO").lower())
            context = one.get("context", CONTEXT)
            tell(RequestContext.from_dict(context) if context else {}, one["event_type"], one["payload"])
    transport.cleanup()


if __name__ == "__main__":
    main()
