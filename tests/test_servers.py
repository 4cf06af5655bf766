"""The test servers themselves: what the other tests rely on when they stop, kill and restart them."""

import urllib.error
import urllib.request

import pika
import pytest
import sqlalchemy

from tests.broker import RabbitMQ
from tests.receiver import Receiver
from tests.servers import DatabaseServer


def tables_of(url: str) -> list[str]:
    engine = sqlalchemy.create_engine(url)
    try:
        return sqlalchemy.inspect(engine).get_table_names()
    finally:
        engine.dispose()


def execute(url: str, statement: str) -> None:
    engine = sqlalchemy.create_engine(url)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(statement)
    finally:
        engine.dispose()


def test_every_database_is_fresh(database_url: str) -> None:
    assert tables_of(database_url) == []


@pytest.mark.parametrize("name", ["postgresql", "mariadb"])
def test_committed_rows_survive_a_killed_database_server(name: str, request: pytest.FixtureRequest) -> None:
    server: DatabaseServer = request.getfixturevalue(name)
    url = server.create_database()
    execute(url, "CREATE TABLE kept (n INTEGER)")

    server.kill()
    with pytest.raises(sqlalchemy.exc.OperationalError):
        tables_of(url)
    server.start()

    assert tables_of(url) == ["kept"]
    server.drop_database(url)


def test_a_durable_queue_survives_a_restarted_broker(rabbitmq: RabbitMQ) -> None:
    parameters = pika.URLParameters(rabbitmq.create_vhost())
    with pika.BlockingConnection(parameters) as connection:
        connection.channel().queue_declare("kept", durable=True, arguments={"x-queue-type": "quorum"})

    rabbitmq.restart()

    with pika.BlockingConnection(parameters) as connection:
        connection.channel().queue_declare("kept", passive=True)


def test_a_killed_broker_comes_back(rabbitmq: RabbitMQ) -> None:
    rabbitmq.kill()
    rabbitmq.start()

    assert "rabbit" in rabbitmq.management("status")


def test_the_receiver_remembers_and_answers_as_told(receiver: Receiver) -> None:
    receiver.answer(503, 204)

    with pytest.raises(urllib.error.HTTPError, match="503") as refused:
        urllib.request.urlopen(receiver.url, b"one")
    refused.value.close()
    with urllib.request.urlopen(receiver.url, b"two") as answer:
        assert answer.status == 204

    assert [(request.method, request.path, request.body) for request in receiver.wait(2)] == [
        ("POST", "/hook", b"one"),
        ("POST", "/hook", b"two"),
    ]
