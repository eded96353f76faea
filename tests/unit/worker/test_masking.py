"""Secrets are taken out of texts whatever they stand in, in a time that goes by a text's length alone."""

from __future__ import annotations

import base64

import pytest

from askpix.producer.masking import MASK, Masking, escaped, shortened

SECRET = "Xy7-hidden-9"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        # URLs with a password.
        ("redis://:{}@h:6379/0 is gone", "redis://***@h:6379/0 is gone"),
        ("redis://ann:{}@h/0", "redis://***@h/0"),
        ("rediss://ann:a/b?c#{}@h/0", "rediss://***@h/0"),
        ("redis://ann:a@{}@h/0", "redis://***@h/0"),
        ("no way by http://ann:{}@proxy:3128", "no way by http://***@proxy:3128"),
        ("HTTPS://{}@h/a.jpg", "HTTPS://***@h/a.jpg"),
        # What a URL is signed with.
        ("https://h/a.jpg?X-Amz-Signature={}&X-Amz-Expires=60", "https://h/a.jpg?***"),
        ("<a href='https://h/a.jpg?{}'>", "<a href='https://h/a.jpg?***"),
        ("https://h/a.jpg#access_token={}", "https://h/a.jpg#***"),
        ("https://h/a.jpg?sig={}#2", "https://h/a.jpg?***#2"),
        ("(https://h/a.jpg?sig={}#2)", "(https://h/a.jpg?***#2)"),
        # Wherever in its word it begins, and however it is written there.
        ("item#1:https://h/a.jpg?key={}", "item#1:https://h/a.jpg?***"),
        ("#2:https://h/a.jpg?Policy={}", "#2:https://h/a.jpg?***"),
        ("#2:https://h/a.jpg?Policy={}#12,", "#2:https://h/a.jpg?***#12,"),
        ("?https://h/a.jpg?key={}", "?***"),
        ("what?https://h/a.jpg?{}", "what?https://h/a.jpg?***"),
        ("https://h/a.jpg%3Fkey%3D{}", "https://h/a.jpg%3F***"),
        ("https://p/plain/https%3A%2F%2Fh%2Fa.jpg%3FPolicy%3D{}", "https://p/plain/https%3A%2F%2Fh%2Fa.jpg%3F***"),
        ("https://p/https%253A%252F%252Fh%252Fa%253FPolicy%253D{}", "https://p/https%253A%252F%252Fh%252Fa%253F***"),
        ("from=https%3a%2f%2Fh%2Fa.jpg%3fPolicy%3d{}", "from=https%3a%2f%2Fh%2Fa.jpg%3f***"),
        (r"{{\"url\":\"https:\/\/h\/a.jpg?{}\"}}", r"{\"url\":\"https:\/\/h\/a.jpg?***"),
        (
            "Max retries exceeded with url: /a.jpg?sig={} (Caused by x)",
            "Max retries exceeded with url: /a.jpg?*** (Caused by x)",
        ),
        ('"GET /a.jpg?token={} HTTP/1.1" 403', '"GET /a.jpg?*** HTTP/1.1" 403'),
        # What has a name.
        ("Authorization: Basic {}", "Authorization: ***"),
        ("{{'Proxy-Authorization': 'Bearer {}', 'Host': 'h'}}", "{'Proxy-Authorization': ***"),
        ("Authorization: AWS4-HMAC-SHA256 Credential=AKIAX/eu, Signature={}", "Authorization: ***"),
        ("Connection(host='h', password='{}', db=0)", "Connection(host='h', password=***, db=0)"),
        ("aws_secret_access_key = {}", "aws_secret_access_key = ***"),
        ("X-Amz-Security-Token: {}", "X-Amz-Security-Token: ***"),
        ("Bearer {}{}", "Bearer ***"),
        ("password%3D{}", "password%3D***"),
        ("%7B%22password%22%3A%22{}", "%7B%22password%22%3A***"),
        ('{{"password": "a\\"{}", "a": 1}}', '{"password": ***, "a": 1}'),
        (r"{{\"password\": \"{}\", \"a\": 1}}", r"{\"password\": ***, \"a\": 1}"),
        (r"{{\"password\": \"a\\\"{}\"}}", r"{\"password\": ***}"),
        (r"{{\\\"token\\\":\\\"{}\\\"}}", r"{\\\"token\\\":***}"),
        ('password="{} is cut', "password=*** is cut"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    masked = Masking()(text.format(SECRET, SECRET))

    assert masked == shown


@pytest.mark.parametrize(
    "text",
    [
        "part 3 of s3://shop/jobs/spring is done",
        "https://h/a.jpg#2 is not there",
        "(https://h/a.jpg#2): is not there",
        "is https://h/a.jpg? there, or #",
        "100%3 of item#1:https://h/a%20b.jpg",
        "https://h/@ann/a.jpg",
        "what is this? nobody knows",
        "what color is it?",
        "/data/why?.jpg",
        "write it as #1, or 5@home",
        "ready 1.2 s after the start",
        "AUTO:GPU,CPU was asked for",
        "512 tokens: too many",
        "http://proxy:3128 does not answer",
    ],
)
def test_what_is_none_stays(text: str) -> None:
    assert Masking()(text) == text


def test_keys_of_s3_are_known_by_their_form() -> None:
    assert Masking()("the key AKIAIOSFODNN7EXAMPLE is none") == "the key *** is none"


def test_a_picture_in_a_uri_is_not_repeated() -> None:
    assert Masking()("data:image/png;base64,iVBORw0KGgoAAAANSUhEUg is none") == (
        "data:image/png;base64,... (22 characters) is none"
    )


@pytest.mark.parametrize("spelled", [SECRET, "p@ss/w?rd#12", "p%40ss%2Fw%3Frd%2312"])
def test_what_is_known_to_be_a_secret_goes_wherever_it_stands(spelled: str) -> None:
    masking = Masking((f"redis://ann:{spelled}@h/0",))

    for said in (spelled, f"({spelled})", f"AUTH failed for '{spelled}'", f"x{spelled}y"):
        assert spelled not in masking(said)
        assert MASK in masking(said)


def test_a_known_password_goes_in_all_of_its_spellings() -> None:
    masking = Masking(("http://ann:p%40ssword@proxy:3128",))

    assert masking("p@ssword, p%40ssword") == "***, ***"
    assert masking(base64.b64encode(b"ann:p@ssword").decode()) == "***"


def test_a_short_password_is_no_reason_to_mask_words() -> None:
    masking = Masking(("redis://:askpix@h/0",))

    assert masking("serving askpix-demo by redis://:askpix@h/0") == "serving askpix-demo by redis://***@h/0"


def test_a_password_that_a_long_text_breaks_off_at_is_not_shown() -> None:
    text = "x" * (16_384 - 30) + f" redis://ann:{SECRET}" + "a" * 100 + "@h/0"

    assert SECRET[:6] not in Masking()(text)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        *("redis://", "http://", "://", "https://a?", "?#", "/", "data:", "data:,", "token='", 'password="', "x-amz-"),
        *("a@", "#1)", "#1", "%25", "%3F", "%3D", "https%3A%2F%2F", "http:\\", "\\", "token=\\", "token=b"),
        *("token%3D", 'token\\"', "token  ", "".join("token=" + "\\" * n + "'token=\"" for n in range(9, -1, -1))),
    ],
)
def test_no_text_takes_long(piece: str) -> None:
    masking = Masking((f"redis://:{SECRET}@h/0",))

    # Where time went by the square of the length, this would take minutes.
    for _ in range(20):
        masking(piece * (1_000_000 // len(piece)))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("bell\x07 \x9b2J", "bell\\x07 \\x9b2J"),
        ("left\u202eright", "left\\u202eright"),
        ("half \ud800", "half \\ud800"),
        ("line\u2028line", "line\\u2028line"),
        ("Grüße, 猫", "Grüße, 猫"),
    ],
)
def test_what_a_terminal_acts_on_is_written_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_long_text_says_how_long_it_was() -> None:
    assert shortened("a" * 30, 10) == f"{'a' * 10}... (30 characters)"
    assert shortened("a" * 10, 10) == "a" * 10
