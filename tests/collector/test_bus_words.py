import ssl

import pytest
from pika.adapters.utils.connection_workflow import (
    AMQPConnectionWorkflowFailed,
    AMQPConnectorSocketConnectError,
)
from pika.exceptions import AMQPConnectionError, ConnectionClosedByBroker

from collector.bus.words import words

REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (REFUSED, "Connection refused"),
        (AMQPConnectionError(AMQPConnectorSocketConnectError(REFUSED)), "Connection refused"),
        (
            AMQPConnectionError(AMQPConnectionWorkflowFailed([AMQPConnectorSocketConnectError(REFUSED)])),
            "Connection refused",
        ),
        (ssl.SSLError(1, "[SSL] certificate verify failed"), "[SSL] certificate verify failed"),
        (ConnectionClosedByBroker(320, "CONNECTION_FORCED"), "(320) 'CONNECTION_FORCED'"),
        (AMQPConnectionError(), "AMQPConnectionError"),
        (OSError("odd"), "odd"),
    ],
)
def test_the_first_words_of_an_error_are_told(error: Exception, told: str) -> None:
    assert told in words(error)
