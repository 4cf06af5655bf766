from collections.abc import Iterator

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from collector.errors import InvalidPublisher, PublisherUnavailable
from collector.publishers.scrape import Scrape
from collector.publishers.target import parse_url
from storage.ingest.arranged import arrange
from tests.factories import MINUTE, NOW, sample, series
from tests.servers import free_port


class Page:
    """A page, a clock of its own, and what a scrape of it finds."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.port = free_port()
        self.url = f"prometheus+scrape://reader:s3cret@127.0.0.1:{self.port}/samples?max_age=60&max_series=3"
        self.publisher = Scrape(parse_url(self.url), lambda: self.now_s)

    def get(
        self, path: str = "/samples", login: tuple[str, str] | None = ("reader", "s3cret")
    ) -> httpx2.Response:
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", auth=login, trust_env=False)

    def values(self) -> dict[str, float]:
        families = text_string_to_metric_families(self.get().text)
        return {one.labels["resource_id"]: one.value for family in families for one in family.samples}


@pytest.fixture
def page() -> Iterator[Page]:
    made = Page()
    yield made
    made.publisher.close()


def test_a_scrape_finds_the_newest_value_of_each_series(page: Page) -> None:
    page.publisher.publish(arrange([*series(3), sample(resource_id="other", volume=7)]), ())
    page.publisher.publish(arrange([sample(timestamp=NOW - MINUTE, volume=5)]), ())

    assert page.values() == {"instance-1": 3e9, "other": 7}


def test_what_gives_no_samples_any_more_is_forgotten(page: Page) -> None:
    page.publisher.publish(arrange([sample(resource_id="gone"), sample(resource_id="there")]), ())
    page.now_s = 50
    page.publisher.publish(arrange([sample(resource_id="there", timestamp=NOW + MINUTE)]), ())

    page.now_s = 61

    assert set(page.values()) == {"there"}


def test_of_too_many_series_the_longest_unchanged_go(page: Page) -> None:
    for number in range(5):
        page.publisher.publish(arrange([sample(resource_id=f"vm-{number}")]), ())

    assert set(page.values()) == {"vm-2", "vm-3", "vm-4"}


def test_a_page_with_a_password_asks_for_it(page: Page) -> None:
    page.publisher.publish(arrange([sample()]), ())

    statuses = [
        page.get(login=login).status_code for login in (None, ("reader", "wrong"), ("reader", "s3cret"))
    ]

    assert statuses == [401, 401, 200]
    assert page.get("/other").status_code == 404
    assert "s3cret" not in page.publisher.name


def test_an_address_that_is_taken_is_waited_for(page: Page) -> None:
    second = Scrape(parse_url(page.url))
    page.publisher.publish(arrange([sample()]), ())

    with pytest.raises(PublisherUnavailable, match="cannot listen there"):
        second.publish(arrange([sample()]), ())
    page.publisher.close()
    second.publish(arrange([sample(resource_id="second")]), ())

    assert page.values() == {"second": 1e9}
    second.close()


def test_an_address_must_be_given() -> None:
    with pytest.raises(InvalidPublisher, match="a host is missing"):
        Scrape(parse_url("prometheus+scrape:///metrics"))
