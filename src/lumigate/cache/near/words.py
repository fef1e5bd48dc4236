"""What a prompt asks, less how it asks: the words that count, in English and Japanese. Pure.

Width, case, punctuation, articles and polite phrases do not count, but for names in capitals that would be another
word without (US and us). Everything else does: numbers, names, negations, operators and every other word, because an
answer that is served for another question is worse than a model call.
What is quoted, or stands after a colon or a line's end, is what a prompt is about: it counts to the letter.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

MAX_CHARS = 2000
"""Longer prompts are texts to work on, in which one word may change everything: they are matched exactly only."""

# Expressions, which `re` compiles when a prompt is first matched by likeness, and keeps: few deployments do.
_WORD = (
    r"\d+(?:[.,:/-]\d+)*"  # numbers, dates, times, versions
    r"|[a-z]+(?:'[a-z]+)?"
    r"|[\u4e00-\u9fff\u3005]+|[\u3041-\u309f]+|[\u30a1-\u30ff]+"  # kanji, hiragana, katakana
    r"|[^\W\d_]+"
    r"|!=|[+\-*/%^=<>#$€£¥&|@~\\]+"  # operators and units: C is not C++
)
_CONTRACTIONS = (
    (r"\bcan't\b|\bcannot\b", "can not"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"\b(what|where|who|how|when|it|that|there|here)'s\b", r"\1 is"),
    (r"'re\b", " are"),
    (r"'ll\b", " will"),
    (r"'ve\b", " have"),
    (r"\bi'd\b", "i would"),
    (r"\bi'm\b", "i am"),
)
_POLITE = (
    r"^please:",
    r"^(?:(?:hi|hello|hey)(?: there)?[\s,!.]+)+",
    r"\b(?:excuse me|sorry to bother you|quick question|just wondering)\b[\s,:!.]*",
    r"[\s,.!]*\b(?:thank you|thanks?)(?: (?:so|very) much)?(?: in advance)?[\s.!]*$",
    r"\b(?:could|can|would|will) you (?:please )?(?:kindly )?(?:tell|show) me(?: please)?\b",
    r"\b(?:could|can|would|will) you (?:please |kindly )*(?=[a-z])",
    r"\b(?:please |kindly )?tell me\b",
    r"\bi (?:would like|want|need) to know\b",
    r"\bdo you (?:happen to )?know\b",
    r"\b(?:please|pls|plz|kindly)\b",
    r"^(?:すみません|すいません|あの|えっと|こんにちは)[、,。!\s]*",
    r"(?:どうか|ちょっと)",
    r"(?:よろしく)?(?:お願い(?:します|いたします|致します))",
    r"(?<=て)(?:ください|下さい|くださいませんか|くれますか|くれませんか|もらえますか|もらえませんか|いただけますか|いただけませんか"
    r"|頂けますか|頂けませんか|ほしいです|欲しいです|ほしい|欲しい)(?:か)?",
)
_TELL = (
    r"(?:(?:について|を|とは|は|って)?(?:何|なん|なに)?(?:なの)?(?:か)?(?:を)?(?:教えて|おしえて)"
    r"|(?:とは|って|は)(?:何|なん|なに)?(?:です|でしょう|なんです|なのでしょう|だろう)?か?)$"
)
"""The end of a question for a thing itself: «Xとは», «Xは何ですか», «Xを教えて»."""
_WHAT_IS = re.compile(r"^(?:what|which)(?: is| are)\b|^what(?=.*\b(?:is|are)$)")
_CAPITALS = r"\b(?:US|IT|WHO|AIDS|ACT|SAT|ICE|CAT|RAM|PIN|ARM|GAP|HR|OR|IN|ME|OK|PA|HI|MS|AM|PM|SO|NO)\b"
"""Names that are also words. In a text that is all capitals they say nothing."""
_ENDING_MARKS = re.compile(r"[\s。、,.!?…\"'」』)\]]+$")
_LITTLE = frozenset({"a", "an", "the", "is", "are", "do", "does", "am"})


_QUOTED = re.compile(r"“[^”]+”|「[^」]+」|『[^』]+』|\"[^\"]+\"|`[^`]+`|(?<!\w)'[^']+'(?!\w)")
_ABOUT = re.compile(r":\s+|\n\s*")
_NO_MATTER_YET = re.compile(
    r"(?:quick question|just wondering|please|hi|hello|hey|すみません|こんにちは)[\s,!]*$"
)
_VARIABLE = frozenset("bcdefghjklmnopqruvwxyz")


def normalised(text: str) -> str:
    """One width, one case, single spaces."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return " ".join(folded.split())


def words_that_count(text: str) -> list[str]:
    """In order. `text` is as the caller wrote it."""
    text = unicodedata.normalize("NFKC", text.replace("\uff1a", ": ")).strip()
    if text != text.upper():
        text = re.sub(_CAPITALS, lambda match: f"{match[0]}incapitals", text)
    asked, about = _parted(text)
    bare = normalised(_QUOTED.sub(lambda match: f" {_to_the_letter(match[0][1:-1])} ", asked))
    for pattern, full in _CONTRACTIONS:
        bare = re.sub(pattern, full, bare)
    for pattern in _POLITE:
        bare = re.sub(pattern, " ", bare)
    bare = _ENDING_MARKS.sub("", bare.strip())
    bare = re.sub(_TELL, "", bare)
    bare = _WHAT_IS.sub(" ", _ENDING_MARKS.sub("", " ".join(bare.split())).lstrip(" ,"))
    tokens = re.findall(_WORD, bare)
    # Beside b, x or y, «a» is a name and no article.
    little = _LITTLE - {"a"} if any(token in _VARIABLE for token in tokens) else _LITTLE
    words = [token for token in tokens if token not in little]
    return [*words, _to_the_letter(about)] if about else words


def _parted(text: str) -> tuple[str, str]:
    """What is asked, and what it is asked about: «Correct this: …», or a text on lines of its own."""
    at = 0
    while (mark := _ABOUT.search(text, at)) is not None:
        asked, about = text[: mark.start()], text[mark.end() :]
        if not about:
            break
        if not _NO_MATTER_YET.search(asked.casefold()):
            return asked, about
        at = mark.end()
    return text, ""


def _to_the_letter(text: str) -> str:
    """One word that stands for a text, and for no other; made of letters that no pattern takes apart."""
    digest = hashlib.blake2b(
        " ".join(text.split()).encode("utf-8", "surrogatepass"), digest_size=8
    ).hexdigest()
    return "q" + digest.translate(_LETTERS)


_LETTERS = str.maketrans("0123456789abcdef", "ghijklmnopqrstuv")


def turned(words: list[str]) -> list[str]:
    """The same for every rotation: a clause may stand at the beginning or at the end.

    «In Python, how to sort a list» is «how to sort a list in Python»; «dog bites man» is never «man bites dog».
    """
    if len(words) < 3:
        return list(words)
    return min(words[at:] + words[:at] for at in range(len(words)))
