import pytest
from pydantic import ValidationError

from app.settings import ENV_PREFIX, Settings, read_settings
from digits.errors import ConfigurationError
from tests.service.server import ROOT


@pytest.fixture(autouse=True)
def no_settings_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{ENV_PREFIX}{name.upper()}", raising=False)


def test_settings_by_default_serve_the_shipped_model_from_any_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    settings = read_settings()
    assert settings.model_path == ROOT / "models" / "digits.h5"
    assert (settings.num_threads, settings.max_body_bytes) == (1, 1024 * 1024)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_MODEL_PATH", "/models/mine.h5")
    monkeypatch.setenv("DIGITS_NUM_THREADS", "4")
    monkeypatch.setenv("DIGITS_MAX_BODY_BYTES", "65536")
    settings = read_settings()
    assert (str(settings.model_path), settings.num_threads, settings.max_body_bytes) == ("/models/mine.h5", 4, 65536)


def test_settings_count_an_empty_variable_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_NUM_THREADS", "")
    assert read_settings().num_threads == 1


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DIGITS_NUM_THREADS", "0", "greater than or equal to 1"),
        ("DIGITS_NUM_THREADS", "257", "less than or equal to 256"),
        ("DIGITS_NUM_THREADS", "many", "a valid integer"),
        ("DIGITS_MAX_BODY_BYTES", "32767", "greater than or equal to 32768"),
        ("DIGITS_MAX_BODY_BYTES", "67108865", "less than or equal to 67108864"),
    ],
)
def test_settings_out_of_bounds_name_variable_value_and_bound(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"^{name}: received '{value}', expected: {expected}"):
        read_settings()


@pytest.mark.parametrize("ending", ["", "\n", "\r\n"])
def test_settings_take_a_key_without_the_end_of_its_line(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    monkeypatch.setenv("DIGITS_API_KEY", f"one that nobody guesses{ending}")
    api_key = read_settings().api_key
    assert api_key is not None
    assert api_key.get_secret_value() == "one that nobody guesses"


@pytest.mark.parametrize(
    "key", ["\n", "s3cret\n\n", "s3\ncret", " s3cret", "s3cret ", "s3cret\t", "s3crét", "s3cret\udcff"]
)
def test_settings_refuse_a_key_that_no_header_carries_and_do_not_show_it(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("DIGITS_API_KEY", key)
    with pytest.raises(ConfigurationError) as caught:
        read_settings()
    assert str(caught.value) == (
        "DIGITS_API_KEY: received one that is not shown, "
        "expected: printable ASCII, with no blank at its beginning or end."
    )
    assert "s3" not in str(caught.value.__cause__)


def test_settings_refuse_a_second_key_alone_because_it_would_guard_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGITS_SECOND_API_KEY", "s3cret")
    expected = "^DIGITS_SECOND_API_KEY: received one that is not shown, expected: none without DIGITS_API_KEY.$"
    with pytest.raises(ConfigurationError, match=expected):
        read_settings()


@pytest.mark.parametrize(
    ("value", "origins"),
    [
        ("", ()),
        ("https://shop.example", ("https://shop.example",)),
        ("https://shop.example, http://localhost:3000", ("https://shop.example", "http://localhost:3000")),
        ("http://[::1]:8080,chrome-extension://abcdef", ("http://[::1]:8080", "chrome-extension://abcdef")),
        ("*", ("*",)),
    ],
)
def test_settings_split_origins_at_commas(
    monkeypatch: pytest.MonkeyPatch, value: str, origins: tuple[str, ...]
) -> None:
    monkeypatch.setenv("DIGITS_CORS_ORIGINS", value)
    assert read_settings().cors_origins == origins


@pytest.mark.parametrize(
    "value",
    ["shop.example", "https://shop.example/", "https://shop.example/page", "HTTPS://Shop.example", "https://*.example"],
)
def test_settings_refuse_an_origin_that_no_browser_sends(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("DIGITS_CORS_ORIGINS", f"https://right.example,{value}")
    with pytest.raises(ConfigurationError, match=r"^DIGITS_CORS_ORIGINS: .*, expected: origins such as https://"):
        read_settings()


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().num_threads = 2


def test_settings_are_all_described() -> None:
    assert all(field.description for field in Settings.model_fields.values())
