"""Tests of trainer.job.secrets."""

from __future__ import annotations

import pytest

from trainer.job.secrets import scrubbed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no connection to http://user:hunter2@host:80/x", "no connection to http://[hidden]@host:80/x"),
        ("gs://token@bucket/x", "gs://[hidden]@bucket/x"),
        ("Authorization: Bearer ya29.a0Af_x-y", "Authorization: Bearer [hidden]"),
        ("GET /o?alt=media&access_token=abc&x=1", "GET /o?alt=media&access_token=[hidden]&x=1"),
        ("?X-Goog-Signature=0a1b", "?X-Goog-Signature=[hidden]"),
        ('{"private_key": "-----BEGIN", "client_email": "a@b"}', '{"private_key": "[hidden]", "client_email": "a@b"}'),
        ("-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nrest", "[hidden]\nrest"),
        ("-----BEGIN PRIVATE KEY-----\nMII cut", "[hidden]"),
    ],
)
def test_what_opens_doors_is_hidden(text: str, expected: str) -> None:
    assert scrubbed(text) == expected


@pytest.mark.parametrize(
    "text",
    ["step 100 of gs://bucket/run: key=value", "mail me@example.org", "tokens: 5", "the key 'x' is missing", ""],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert scrubbed(text) == text
