"""The evaluator of alarms and the deliverer of their webhooks, built."""

from api.alarms.address import Policy
from api.alarms.delivery import DeliveryLoop
from api.alarms.evaluator import Evaluator, rules
from api.alarms.metrics import AlarmMetrics
from api.alarms.sender import WebhookSender
from api.alarms.webhook import Signer
from cli.parts import Server, now
from cli.process import Part
from cli.schema import when_ready
from storage.alarms import Alarms
from storage.deliveries import Deliveries
from storage.statistics import Statistics


def signer(server: Server, deliveries: Deliveries) -> Signer:
    """Signs webhooks."""
    return Signer(deliveries, server.settings.alarms.signing_secret, now)


def alarms(server: Server) -> list[Part]:
    """The evaluator and the deliverer of webhooks."""
    metrics, options = AlarmMetrics(server.registry), server.settings.alarms
    database, deliveries = server.database, Deliveries(server.database)
    evaluator = Evaluator(Alarms(database), rules(Statistics(database)), options, metrics, now)
    sender = WebhookSender(Policy(options.allow_networks), options.delivery_timeout)
    delivery = DeliveryLoop(deliveries, sender, signer(server, deliveries), metrics, now)
    return [
        when_ready(Part("evaluator", evaluator.run), database),
        when_ready(Part("delivery", delivery.run), database),
    ]
