from collector.event_definitions import load_event_rules
from collector.event_mapping import EventMapping
from collector.trial import Outcome, Trial
from tests.collector.factories import MAPPING, message, notification, payload, polled, polling


def trial(secret: str | None = None) -> Trial:
    return Trial(MAPPING, EventMapping(load_event_rules()), telemetry_secret=secret)


def test_a_notification_becomes_samples_and_an_event_and_is_then_forgotten() -> None:
    trying = trial()

    first = trying.outcome(message(notification()))
    second = trying.outcome(message(notification(event_type="unheard.of")))

    assert [sample.meter for sample in first.samples] == ["volume.size"]
    assert [event.event_type for event in first.events] == ["volume.exists"]
    assert first.refused == ()
    assert (second.samples, [event.event_type for event in second.events]) == ((), ["unheard.of"])


def test_what_is_refused_comes_with_its_reason() -> None:
    bad = trial().outcome(message(notification(payload=payload(size="large"))))
    unreadable = trial().outcome(message(b"{"))

    assert bad.refused == ("volume.size: volume is not a number",)
    assert unreadable == Outcome((), (), unreadable.refused)
    assert len(unreadable.refused) == 1


def test_ceilometers_samples_need_their_signature_here_too() -> None:
    sent = message(polling(polled()))

    assert len(trial().outcome(sent).samples) == 1
    assert trial("a secret").outcome(sent).refused == ("unsigned",)
