import pytest

from storage.secrets import mask_parameters, mask_url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql+psycopg://u:hunter2@h/x", "postgresql+psycopg://u:***@h/x"),
        ("postgresql+psycopg://u@h/x?password=hunter2", "postgresql+psycopg://u@h/x?password=***"),
        ("mysql+pymysql://h/x?a=1&ssl_key_password=hunter2", "mysql+pymysql://h/x?a=1&ssl_key_password=***"),
        ("influx://h?token=hunter2&org=o", "influx://h?token=***&org=o"),
        ("http://h/?u=me&p=hunter2#top", "http://h/?u=me&p=***#top"),
        (
            "no answer from https://h/?X-Auth-Token=hunter2 yet",
            "no answer from https://h/?X-Auth-Token=*** yet",
        ),
        ("https://h/?sslmode=require&page=2", "https://h/?sslmode=require&page=2"),
        ("a question? b=c", "a question? b=c"),
    ],
)
def test_passwords_and_secret_parameters_of_addresses_are_masked(text: str, shown: str) -> None:
    assert mask_url(text) == shown


def test_parameters_of_addresses_that_are_kept_are_only_masked_by_plain_names_of_secrets() -> None:
    assert mask_parameters("http://blog/?p=12&sig=ab") == "http://blog/?p=12&sig=***"
