"""Where requests may be sent: the public internet over TLS, and what the operator trusts by name."""

from __future__ import annotations

import ipaddress
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lumigate.errors import ConfigurationError
from lumigate.http.outbound import address_of, check_outbound, is_private, plain_host
from tests.fakes import raised_by
from tests.fakes.settings import make_settings

SECRET = "sk-do-not-tell"

PRIVATE = [
    "127.0.0.1",
    "127.1",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "0",
    "0.0.0.0",
    "10.0.0.5",
    "10.5",
    "172.16.0.1",
    "192.168.1.1",
    "192.168.257",
    "100.64.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "2852039166",
    "025177524776",
    "169.254.43518",
    "224.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:a9fe:a9fe]",
    "[::127.0.0.1]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fe80::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[ff02::1]",
    "localhost",
    "LOCALHOST.",
    "api.localhost",
    "metadata",
    "metadata.google.internal",
    "models.local",
    "vllm",
    "%31%32%37.0.0.1",
    "\uff11\uff12\uff17.0.0.1",
    "\u2460\u2461\u2466.0.0.1",
    "127\u30020\u30020\u30021",
    "[fec0::1]",
    "metadata.goog",
    "kubernetes.default.svc",
]
PUBLIC = [
    "api.openai.com",
    "1.1.1.1",
    "0x01010101",
    "[2606:4700::1111]",
    "local.example",
    "internal.example.com",
    "xn--bcher-kva.example",
    "my_models.example.com",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_no_way_of_writing_a_private_address_passes_in_production(host: str) -> None:
    error = raised_by(ValueError, lambda: check_outbound(f"https://{host}/v1", environment="production"))
    assert error is not None, host


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1\\.example.com",  # a slash to browsers and Workers
        "127.0.0.1%5c.example.com",
        "127.0.0.1%2f.example.com",
        "127.0.0.1%23.example.com",
        "127.0.0.1\u200b",  # left out by whoever follows UTS 46
        "api.local\u00adhost",
        "127.0.0.1\x00",
        "models.internal..",
        "b\u00fccher.example",
    ],
)
def test_a_host_that_two_clients_may_read_in_two_ways_is_none(host: str) -> None:
    with pytest.raises(ValueError, match="xn--"):
        check_outbound(f"https://{host}/v1", environment="production")


def test_an_address_with_a_fragment_is_refused() -> None:
    """It is never sent: whoever put a path or a host there meant something else."""
    with pytest.raises(ValueError, match="fragment"):
        check_outbound("https://api.openai.com/v1#@evil.example", environment="production")


@pytest.mark.parametrize("host", PUBLIC)
def test_public_hosts_pass_over_tls_only(host: str) -> None:
    check_outbound(f"https://{host}/v1", environment="production")
    for environment in ("production", "staging", "development"):
        error = raised_by(ValueError, lambda: check_outbound(f"http://{host}/v1", environment=environment))  # noqa: B023
        assert "https" in str(error)


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost", "[::1]:9"])
def test_this_machine_passes_where_development_and_tests_are(host: str) -> None:
    for environment in ("development", "test"):
        check_outbound(f"http://{host}/v1", environment=environment)
    with pytest.raises(ValueError, match="OUTBOUND_TRUSTED_HOSTS"):
        check_outbound(f"http://{host}/v1", environment="staging")


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.5", "metadata.google.internal"])
def test_other_machines_of_the_network_do_not_pass_in_development_either(host: str) -> None:
    with pytest.raises(ValueError, match="OUTBOUND_TRUSTED_HOSTS"):
        check_outbound(f"http://{host}", environment="development")


def test_a_trusted_host_passes_and_no_other() -> None:
    trusted = ("vllm.internal", "10.0.0.5", "fd00::5")
    for host in ("vllm.internal", "10.0.0.5:8000", "[fd00::5]"):
        check_outbound(f"http://{host}/v1", environment="production", trusted=trusted)
    with pytest.raises(ValueError, match="private network"):
        check_outbound("https://10.0.0.6/v1", environment="production", trusted=trusted)


@pytest.mark.parametrize(
    "url",
    [f"https://user:{SECRET}@api.openai.com", f"https://{SECRET}@api.openai.com", "https://@api.openai.com"],
)
def test_credentials_in_an_address_are_refused_and_not_told(url: str) -> None:
    for trusted in ((), ("api.openai.com",)):
        error = raised_by(
            ValueError,
            lambda: check_outbound(url, environment="production", trusted=trusted),  # noqa: B023
        )
        assert "credentials" in str(error)
        assert SECRET not in str(error)


@given(value=st.integers(0, 2**32 - 1), data=st.data())
def test_every_form_of_an_address_is_that_address(value: int, data: st.DataObject) -> None:
    octets = value.to_bytes(4)
    count = data.draw(st.integers(1, 4))
    numbers = [*octets[: count - 1], int.from_bytes(octets[count - 1 :])]
    forms = [data.draw(st.sampled_from((f"{n}", f"{n:#x}", f"0{n:o}"))) for n in numbers]
    assert address_of(plain_host(".".join(forms))) == ipaddress.IPv4Address(value)


@given(value=st.integers(0, 2**32 - 1))
def test_an_address_inside_an_address_is_as_private(value: int) -> None:
    plain = ipaddress.IPv4Address(value)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | value)
    nat64 = ipaddress.IPv6Address((0x64FF9B << 96) | value)
    for form in (mapped.exploded, mapped.compressed, nat64.compressed):
        assert is_private(form) == is_private(str(plain))


@given(host=st.text(max_size=80))
def test_any_text_is_judged(host: str) -> None:
    assert is_private(plain_host(host)) in (True, False)


@pytest.mark.parametrize(
    ("setting", "environ"),
    [
        ("OPENAI_BASE_URL", {"OPENAI_BASE_URL": "http://upstream.example/v1"}),
        ("ANTHROPIC_BASE_URL", {"ANTHROPIC_BASE_URL": "https://169.254.169.254"}),
        ("OPENAI_BASE_URL", {"OPENAI_BASE_URL": f"https://user:{SECRET}@upstream.example/v1"}),
        ("AI_GATEWAY_URL", {"AI_GATEWAY_URL": "http://gateway.ai.cloudflare.com/v1/a/b"}),
        ("PROVIDERS.groq.base_url", {"PROVIDERS": json.dumps({"groq": {"base_url": "https://10.1"}})}),
        (
            "GROQ_BASE_URL",
            {
                "PROVIDERS": json.dumps({"groq": {"base_url": "https://api.groq.com"}}),
                "GROQ_BASE_URL": "https://metadata.google.internal",
            },
        ),
        ("JWKS_URL", {"JWKS_URL": "http://issuer.example/jwks.json"}),
        (
            "JWT_ISSUERS.0.jwks_url",
            {
                "JWT_ISSUERS": json.dumps(
                    [{"issuer": "https://b.example", "jwks_url": "https://[::1]/j", "audience": "x"}]
                )
            },
        ),
    ],
)
def test_a_setting_that_leads_somewhere_else_is_named(setting: str, environ: dict[str, str]) -> None:
    error = raised_by(ConfigurationError, lambda: make_settings(ENVIRONMENT="production", **environ))
    assert error is not None
    assert str(error).startswith(f"{setting}: ")
    assert SECRET not in str(error)


def test_trusted_hosts_are_a_setting() -> None:
    made = make_settings(
        ENVIRONMENT="production",
        OPENAI_BASE_URL="http://vllm:8000/v1",
        OUTBOUND_TRUSTED_HOSTS="VLLM, 10.0.0.5",
    )
    assert made.providers["openai"].base_url == "http://vllm:8000/v1"


def test_a_trusted_host_may_have_any_form_of_a_name_or_address() -> None:
    hosts = ("my_vllm", "modèle.example", "10.0.0.5", "fd00::5", "::1", "::ffff:10.0.0.5")
    assert make_settings(OUTBOUND_TRUSTED_HOSTS=",".join(hosts)).http.outbound_trusted_hosts == hosts
    assert make_settings(OUTBOUND_TRUSTED_HOSTS="[fd00::5]").http.outbound_trusted_hosts == ("fd00::5",)
