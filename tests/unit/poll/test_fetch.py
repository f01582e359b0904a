import pytest

from exporter.masking import Mask
from exporter.model import Answer, Failure, Query, Reason, Scope, Target
from exporter.poll.fetch import FailedAnswers, displayed, masked, read_answer
from exporter.request import Operation
from tests.reading import READERS, endpoint_of, section_of

KEY = "s3cr3t/key&more"


def _read(operation: Operation, body: bytes, mask: Mask) -> Answer | Failure:
    query, endpoint = READERS[operation]
    return read_answer(endpoint, section_of(query), body, mask)


@pytest.fixture
def mask() -> Mask:
    """Return a mask that knows one key."""
    mask = Mask()
    mask.add(KEY)
    return mask


@pytest.mark.parametrize("before", [0, 60, 100, 110, 118])
def test_detail_has_no_part_of_a_key(mask: Mask, before: int) -> None:
    """Wherever the quotation is cut."""
    body = ("x" * before + KEY + " is what you sent").encode()
    failure = _read(Operation.COUNT_CALLS, body, mask)
    assert isinstance(failure, Failure)
    assert "s3cr3t" not in failure.detail
    assert failure.reason is not Reason.EMPTY


def test_large_response_is_not_quoted(mask: Mask) -> None:
    """Masking it would take long, so only its size is reported, with the same reason."""
    failure = _read(Operation.COUNT_CALLS, (KEY + "y" * 100_000).encode(), mask)
    assert failure == Failure(Reason.DECODE, "unexpected response of 100,015 bytes")


def test_response_that_contains_a_key(mask: Mask) -> None:
    """If it can be decoded only with the key masked, nothing is quoted."""
    mask.add("|x")
    failure = _read(Operation.COUNT_PEERS, b"pbx1:5|x", mask)
    assert isinstance(failure, Failure)
    assert "|x" not in failure.detail


def test_invalid_utf8_is_kept(mask: Mask) -> None:
    """Masking changes only keys."""
    assert masked(b"\xff\xfe" + KEY.encode() + b"\x80", mask) == b"\xff\xfe***\x80"


@pytest.mark.parametrize("before", [0, 2038, 2048, 2060])
def test_start_of_a_response_is_displayed(mask: Mask, before: int) -> None:
    """At most 2,048 characters, and no part of a key."""
    text = displayed(
        endpoint_of(Operation.COUNT_CALLS), ("x" * before + KEY + " is wrong" + "y" * 3000).encode(), mask
    )

    assert len(text) == 2048
    assert "s3cr" not in text
    assert text.startswith("x" * min(before, 2000) or "***")


def test_many_keys_are_displayed_masked(mask: Mask) -> None:
    """Text that moves up behind a masked key is masked as well."""
    text = displayed(endpoint_of(Operation.COUNT_CALLS), (KEY * 4000).encode(), mask)

    assert set(text) <= set("*…")


def test_large_response_is_not_displayed(mask: Mask) -> None:
    """Masking it would block the event loop, so only its size is displayed."""
    assert (
        displayed(endpoint_of(Operation.COUNT_CALLS), b"x" * 100_000, mask)
        == "100,000 bytes, too large to display"
    )


def test_list_is_not_displayed(mask: Mask) -> None:
    """Only its size and type, however large it is."""
    body = b'[{"password": "MUST-NOT-SHOW"' + b" " * 100_000

    assert displayed(endpoint_of(Operation.EXTENSIONS), body, mask) == "list of 100,029 bytes, JSON"


def test_credential_is_not_displayed(mask: Mask) -> None:
    """The value of a member whose name suggests a credential is masked."""
    text = displayed(
        endpoint_of(Operation.LIMITS), b'{"maxchannels": "many", "ex_webpassword": "hunter2"}', mask
    )

    assert text == '{"maxchannels": "many", "ex_webpassword": "***"}'


_CALLS = Target(Query.CALLS, Scope.TENANT, "ACME")


def test_newest_response_is_kept() -> None:
    """It replaces an older one, until a value or no response at all arrives."""
    answers = FailedAnswers()
    answers.keep(_CALLS, Reason.DECODE, "first")
    answers.keep(_CALLS, Reason.REJECTED, "second")

    assert answers.of(_CALLS, Reason.REJECTED) == "second"
    assert answers.of(_CALLS, Reason.DECODE) is None
    answers.drop(_CALLS)
    answers.drop(_CALLS)
    assert answers.of(_CALLS, Reason.REJECTED) is None


def test_at_most_fifty_responses_are_kept() -> None:
    """When 5,000 tenants fail, the newest 50 stay."""
    answers = FailedAnswers()
    targets = [Target(Query.CALLS, Scope.TENANT, f"T{number}") for number in range(5000)]
    for target in targets:
        answers.keep(target, Reason.DECODE, target.tenant)
        answers.keep(targets[0], Reason.DECODE, "again and again")

    kept = [target for target in targets if answers.of(target, Reason.DECODE)]

    assert kept == [targets[0], *targets[-49:]]
