import pytest

from exporter.masking import Mask
from exporter.model import Answer, Failure, Number, Query, Reason, Scope, Target
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


def test_a_value_is_read_as_the_decoder_reads_it(mask: Mask) -> None:
    """Masking has no part in an answer that decodes."""
    assert _read(Operation.COUNT_CALLS, b"42", mask) == Number(42)


@pytest.mark.parametrize("before", [0, 60, 100, 110, 118])
def test_no_part_of_a_key_is_quoted(mask: Mask, before: int) -> None:
    """Wherever a quotation is cut, it is not cut in the middle of a key."""
    body = ("x" * before + KEY + " is what you sent").encode()
    failure = _read(Operation.COUNT_CALLS, body, mask)
    assert isinstance(failure, Failure)
    assert "s3cr3t" not in failure.detail
    assert failure.reason is not Reason.EMPTY


def test_a_large_answer_is_not_quoted(mask: Mask) -> None:
    """Of an answer that would take long to mask only the size is told, with the reason it has anyway."""
    failure = _read(Operation.COUNT_CALLS, (KEY + "y" * 100_000).encode(), mask)
    assert failure == Failure(Reason.DECODE, "unexpected response of 100,015 bytes")


def test_an_answer_that_is_a_key_is_a_failure(mask: Mask) -> None:
    """What decodes only once it is masked is told without a quotation."""
    mask.add("|x")
    failure = _read(Operation.COUNT_PEERS, b"pbx1:5|x", mask)
    assert isinstance(failure, Failure)
    assert "|x" not in failure.detail


def test_bytes_that_are_no_text_stay(mask: Mask) -> None:
    """Masking changes keys and nothing else."""
    assert masked(b"\xff\xfe" + KEY.encode() + b"\x80", mask) == b"\xff\xfe***\x80"


@pytest.mark.parametrize(
    "body",
    [
        '{"maxchannels": "many", "ex_webpassword": "hunter2"}',
        '{"maxchannels": "many", "API_KEY" : "hunter2"}',
        '{"maxchannels": "many", "pin": hunter2}',
        '{"maxchannels": "many", "secret": "hunter2',
        '{"maxchannels": "many", "2fa": "x\\"hunter2"}',
    ],
)
def test_no_credential_of_an_answer_is_quoted(mask: Mask, body: str) -> None:
    """A member whose name speaks of a credential is shown without its value."""
    failure = _read(Operation.LIMITS, body.encode(), mask)
    assert isinstance(failure, Failure)
    assert "hunter2" not in failure.detail


@pytest.mark.parametrize("before", [0, 2038, 2048, 2060])
def test_of_an_answer_the_start_is_shown(mask: Mask, before: int) -> None:
    """At most 2,048 characters, and no part of a key, wherever the text is cut."""
    text = displayed(
        endpoint_of(Operation.COUNT_CALLS), ("x" * before + KEY + " is wrong" + "y" * 3000).encode(), mask
    )

    assert len(text) == 2048
    assert "s3cr" not in text
    assert text.startswith("x" * min(before, 2000) or "***")


def test_keys_do_not_make_room_for_a_part_of_one(mask: Mask) -> None:
    """Keys that are masked shorten a text; what moves up behind them is masked as well."""
    text = displayed(endpoint_of(Operation.COUNT_CALLS), (KEY * 4000).encode(), mask)

    assert set(text) <= set("*…")


def test_a_large_answer_is_not_shown(mask: Mask) -> None:
    """Masking it would hold up the event loop: its size is told."""
    assert (
        displayed(endpoint_of(Operation.COUNT_CALLS), b"x" * 100_000, mask)
        == "100,000 bytes, too large to display"
    )


def test_no_part_of_a_list_is_shown(mask: Mask) -> None:
    """Of a list that could not be read size and type are told, however large it is."""
    body = b'[{"password": "MUST-NOT-SHOW"' + b" " * 100_000

    assert displayed(endpoint_of(Operation.EXTENSIONS), body, mask) == "list of 100,029 bytes, JSON"


def test_no_credential_is_shown(mask: Mask) -> None:
    """A member whose name speaks of a credential is shown without its value."""
    text = displayed(
        endpoint_of(Operation.LIMITS), b'{"maxchannels": "many", "ex_webpassword": "hunter2"}', mask
    )

    assert text == '{"maxchannels": "many", "ex_webpassword": "***"}'


_CALLS = Target(Query.CALLS, Scope.TENANT, "ACME")


def test_the_newest_answer_of_a_target_is_kept() -> None:
    """A newer answer takes the place of the one before; a value, or no answer at all, ends it."""
    answers = FailedAnswers()
    answers.keep(_CALLS, Reason.DECODE, "first")
    answers.keep(_CALLS, Reason.REJECTED, "second")

    assert answers.of(_CALLS, Reason.REJECTED) == "second"
    answers.drop(_CALLS)
    answers.drop(_CALLS)
    assert answers.of(_CALLS, Reason.REJECTED) is None


def test_an_answer_belongs_to_its_failure() -> None:
    """It is not shown with a failure that has another reason: that one came from elsewhere."""
    answers = FailedAnswers()
    answers.keep(_CALLS, Reason.DECODE, "text")

    assert answers.of(_CALLS, Reason.SCOPE_IGNORED) is None
    assert answers.of(Target(Query.CALLS, Scope.SWITCH), Reason.DECODE) is None


def test_there_are_never_more_than_fifty() -> None:
    """When 5,000 tenants fail at once the newest 50 answers are kept, counted by when they came."""
    answers = FailedAnswers()
    targets = [Target(Query.CALLS, Scope.TENANT, f"T{number}") for number in range(5000)]
    for target in targets:
        answers.keep(target, Reason.DECODE, target.tenant)
        answers.keep(targets[0], Reason.DECODE, "again and again")

    kept = [target for target in targets if answers.of(target, Reason.DECODE)]

    assert kept == [targets[0], *targets[-49:]]
