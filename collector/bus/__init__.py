"""RabbitMQ: the only folder whose files import pika.

consuming    notifications and agents' batches into the pipeline
publishing   agents' batches, and notifications to any exchange
link         a publisher's connection
listening    listening in, beside everybody else
streams      the archive of notifications
asking       questions, and a look at how a broker is
connection   servers tried in turn, TLS
"""

from collector.bus.asking import inspect
from collector.bus.consuming import Bus
from collector.bus.listening import Overheard, listen
from collector.bus.publishing import NotificationPublisher, SamplePublisher
from collector.bus.streams import Archived, archived

__all__ = [
    "Archived",
    "Bus",
    "NotificationPublisher",
    "Overheard",
    "SamplePublisher",
    "archived",
    "inspect",
    "listen",
]
