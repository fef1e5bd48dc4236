"""Words that say what the next thing is: `TEL:`, `SSN`, 電話番号は, `version`, `api_key =`.

They must stand directly before it, with nothing but a few signs between, and are looked for in the last
`LABEL_CHARS` characters only: what is found depends on nothing further back.
"""

from __future__ import annotations

import re

from lumigate.privacy.kinds import Kind

LABEL_CHARS = 40

_SIGNS = r"[\s:.=#\"'`は]{0,4}\Z"
# Expressions, which `re` compiles when a text first asks for them, and keeps.
_BEFORE: dict[Kind | None, str] = {
    Kind.PHONE: (
        r"(?:(?<![a-z])(?:tele?|telephone|phone|mobile|cell|fax|call)|電話|携帯|ファックス|連絡先)"
        r"(?:[ _]?(?:no\.?|number|番号|is))?" + _SIGNS
    ),
    Kind.SSN: r"(?:(?<![a-z])ssn|social[ _]security)(?:[ _]?(?:no\.?|number|#))?(?: is)?" + _SIGNS,
    None: r"(?:(?<![a-z])(?:v|ver|version|release|section|chapter|rev)|§|第|バージョン|版)[\s:.=は]{0,3}\Z",
}


_REACH: dict[Kind | None, int] = {Kind.PHONE: LABEL_CHARS, Kind.SSN: LABEL_CHARS, None: 12}


def said_before(text: str, at: int, kind: Kind | None) -> bool:
    """Whether the words before `at` announce this kind; None stands for a version or the number of a section."""
    return re.search(_BEFORE[kind], text[max(0, at - _REACH[kind]) : at], re.IGNORECASE) is not None


_ANNOUNCED = (
    r"(?:(?:api|access|secret|private|auth|encryption|signing|master|account|storage|shared)[ _-]?key(?:[ _-]?id)?"
    r"|token|secret|credentials?|authorization|apiキー|トークン|秘密鍵|シークレット|アクセスキー"
    r"|(?P<chosen>passw(?:or)?d|passphrase|(?<![a-z])pwd|パスワード|暗証番号))"
    r"[\"'`\]]{0,2}\s{0,3}:?\Z"
)
_AFTER_A_LABEL = " \t\r\n\"'`]:"
_MARKS = ("[api_key", "[secret", "[private_key")
"""What masking has left is no label."""
_ENDINGS = (
    *("key", "id", "token", "secret", "credential", "credentials", "authorization", "password", "passwd"),
    *("passphrase", "pwd", "キー", "トークン", "秘密鍵", "シークレット", "パスワード", "暗証番号"),
)


def secret_label(text: str, at: int) -> str | None:
    """What the word before a sign announces: a secret that a machine made (`made`) or a person chose (`chosen`)."""
    before = text[max(0, at - LABEL_CHARS) : at]
    if not before.rstrip(_AFTER_A_LABEL).lower().endswith(_ENDINGS):  # nearly always, and much cheaper
        return None
    if before.rstrip(_AFTER_A_LABEL).endswith(_MARKS):
        return None
    match = re.search(_ANNOUNCED, before, re.IGNORECASE)
    if match is None:
        return None
    return "chosen" if match["chosen"] else "made"
