# ruff: noqa: RUF001  (full-width forms and Japanese dashes are the samples)
"""Labelled samples. All of them are made up, or published as examples by whoever issues such things."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from lumigate.privacy.kinds import Kind

PRIVATE_KEY = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1234567890abcdefghij\nab==\n"
    "-----END RSA PRIVATE KEY-----"
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P"

FOUND: dict[Kind, tuple[str, ...]] = {
    Kind.EMAIL: (
        "tanaka.taro@example.co.jp",
        "a@b.io",
        "first.last+tag@sub.example-domain.com",
        "ｔａｎａｋａ＠ｅｘａｍｐｌｅ．ｃｏｍ",
        "x_y%z@xn--fsqu00a.xn--0zwm56d",
    ),
    Kind.PHONE: (
        "+81 90-1234-5678",
        "+81 (0)3-1234-5678",
        "+1 (555) 123-4567",
        "+15551234567",
        "+44 (0)20 7946 0958",
        "+49 1512 3456789",
        "＋８１－３－１２３４－５６７８",
        "(555) 123-4567",
        "555-123-4567",
        "555.123.4567",
        "1-800-555-0199",
        "090-1234-5678",
        "090 1234 5678",
        "09012345678",
        "070ー1234ー5678",
        "０９０－１２３４－５６７８",
        "050-1234-5678",
        "03-1234-5678",
        "03−1234−5678",
        "０３（１２３４）５６７８",
        "(03)1234-5678",
        "045-123-4567",
        "0123-45-6789",
        "0120-444-113",
        "0800-123-4567",
        "020 7946 0958",
        "07123 456789",
        "01 23 45 67 89",
    ),
    Kind.CARD: (
        "4111 1111 1111 1111",
        "4111-1111-1111-1111",
        "4111111111111111",
        "４１１１　１１１１　１１１１　１１１１",
        "4111\u20091111\u20091111\u20091111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "3782 822463 10005",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "6200000000000005",
    ),
    Kind.IBAN: (
        "GB82 WEST 1234 5698 7654 32",
        "GB82WEST12345698765432",
        "gb82west12345698765432",
        "DE89370400440532013000",
        "FR14 2004 1010 0505 0001 3M02 606",
        "BE68 5390 0754 7034",
        "NO93 8601 1117 947",
        "ＤＥ８９３７０４００４４０５３２０１３０００",
        "FR14\u202f2004\u202f1010\u202f0505\u202f0001\u202f3M02\u202f606",  # as French typography has it
    ),
    Kind.SSN: ("123-45-6789", "899-99-9999", "１２３－４５－６７８９"),
    Kind.MY_NUMBER: (
        "123456789018", "1234 5678 9018", "1234-5678-9018",
        "254122482440", "414839603060",  # the remainders 1 and 0, which both make a check digit of 0
        "１２３４５６７８９０１８", "１２３４ー５６７８ー９０１８",
    ),
    Kind.IP: (
        "192.168.1.17",
        "8.8.8.8",
        "1.2.3.4",
        "203.0.113.255",
        "2001:db8::17",
        "2001:0db8:85a3:0000:0000:8a2e:0370:7334",
        "fe80::1ff:fe23:4567:890a",
        "fd12:3456:789a:1::7",
        "fc00::17",
        "::ffff:192.0.2.17",
    ),
    Kind.API_KEY: (
        "sk-proj-abcdefghij1234567890ABCD",
        "sk-ant-api03-abcdefghij1234567890",
        "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "github_pat_11ABCDEFG0abcdefghijkl_mnop",
        "glpat-abcdefghij1234567890",
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-" + "123456789012-abcdefGHIJ",
        "AIzaSyA1234567890abcdefghijklmnopqrstuv",
        "hf_abcdefghijklmnopqrstuvwxyz01234567",
    ),
    Kind.JWT: (JWT,),
    Kind.PRIVATE_KEY: (PRIVATE_KEY, PRIVATE_KEY.replace("\n", "\\n"), "-----BEGIN PRIVATE KEY-----"),
}  # fmt: skip
"""What is found wherever it stands."""

SAID: dict[Kind, tuple[tuple[str, str], ...]] = {
    Kind.SECRET: (
        ('api_key="%"', "a8f5f167f44f4964e6c998dee827110c"),
        ("export SECRET_KEY=%", "Zm9vYmFyMTIzNDU2Nzg5MA=="),
        ('"client_secret": "%",', "8Q~abcDEF123ghiJKL456mno"),
        ("Authorization: Bearer %", "abcdef0123456789ABCDEF"),
        ("curl -H 'authorization: Basic %'", "dXNlcjpwYXNzd29yZDEyMw=="),
        ("password: %", "Xyz12345!"),
        ("パスワードは%です", "Abc12345!"),
        ("https://user:%@host.example/", "p4ss"),
    ),
    Kind.PHONE: (
        ("TEL: %", "5551234567"),
        ("電話番号は%です", "0312345678"),
        ("phone 	%", "555 123 4567"),
    ),
    Kind.SSN: (("SSN: %", "123456789"), ("social security number %", "123 45 6789")),
}
"""What is found because of the words around it; `%` is where it stands."""

MISSED = (
    "1234-5678-9012-3456", "4111 1111 1111 1112", "4111111111111112", "41111111111111111111",  # Luhn, length
    "0.4111111111111111", "A4111111111111111", "9999999999999995",  # inside something else; no issuer
    "GB82 WEST 1234 5698 7654 33", "XX82WEST12345698765432", "GB82WEST1234569876543",  # mod 97, country, length
    "000-12-3456", "666-12-3456", "900-12-3456", "123-00-4567", "123-45-0000",  # ranges
    "123456789010", "1234 5678 9010", "000000000000", "1234 5678 9018 3456", "202401151230",  # check digit, date
    "256.1.1.1", "1.2.3", "v1.2.3.4", "version 1.2.3.4", "バージョン１．２．３．４", "1.2.3.4.5", "01.2.3.4",
    "127.0.0.1", "0.0.0.0", "255.255.255.0", "Chrome/120.0.0.0",
    "::1", "std::string", "a[::2]", "12:30:45", "00:1A:2B:3C:4D:5E", "00:11:22:33:44:55:66:77", "1:2:3:4:5:6:7",
    "2024-01-15", "2024/01/15", "15.01.2024", "2024年1月15日", "12:30", "$1,234.56", "¥1,234,567", "1.234.567,89",
    "123e4567-e89b-12d3-a456-426614174000", "12345678-1234-1234-1234-123456789018",
    "da39a3ee5e6b4b0d3255bfef95601890afd80709", "9fceb02", "1700000000", "1700000000000", "5551234567", "123456789",
    "〒100-0001", "100-0001", "978-3-16-148410-0",
    "root@localhost", "@alice", "git@github.com:owner/repo", "lodash@4.17.21", "icon@2x.png", "a@b.T", "a@.com",
    "sk-fading-circle-container", "task-force-one-two-three", "AKIA", "eyJhbGciOiJIUzI1NiJ9", "ghp_short",
    "api_key=settings.openai_api_key", 'api_key=os.environ["KEY"]', "password=password", "token: 123456",
    "-----BEGIN CERTIFICATE-----",
)  # fmt: skip
"""Near misses: each looks like a finding and is none."""

_PIECES = [sample for samples in FOUND.values() for sample in samples]
_PIECES += [frame.replace("%", value) for frames in SAID.values() for frame, value in frames]
_FILLER = [
    *MISSED,
    "hello",
    "電話",
    "tel ",
    "は",
    "𠮷",
    "👍🏽",
    "<EMAIL_1>",
    "[email]",
    "-----BEGIN ",
    "token=",
    "\n",
]

TEXTS = st.lists(
    st.sampled_from(_PIECES) | st.sampled_from(_FILLER) | st.text(max_size=5), min_size=1, max_size=6
).flatmap(lambda parts: st.sampled_from([" ", "\n", "、", ", ", " 𠮷 "]).map(lambda glue: glue.join(parts)))
"""Texts with findings and near misses in them."""


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    """The text cut at these places, each taken modulo its length."""
    places = sorted({cut % (len(text) + 1) for cut in cuts} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(places)]


CUTS = st.lists(st.integers(min_value=0, max_value=10_000), max_size=40)
