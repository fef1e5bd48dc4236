"""What a prompt asks, less what may be said in other words: what must be equal for an embedding to be heard at all.

An embedding takes the largest lake for the smallest, 2018 for 2022 and France for Germany. So it is asked only where
these words are equal, in their order; forms of asking, and a few words that say the same, are brought into one form.
Everything else counts, as in `words`: a word that nobody thought of makes a miss, never a false hit. Pure.
"""

from __future__ import annotations

import hashlib
import re

from lumigate.cache.near.words import words_that_count

# Expressions, which `re` compiles when a prompt is first matched by an embedding, and keeps. They see the words that
# count, with single spaces: no article, no «is» and «do», nothing polite, no «what is» at the beginning.
_ASKING = (
    (r"^explain(?: to me)? (?=how |why )", ""),
    (r"^explain what (.+)$", r"\1"),
    (r"^(?:explain|define|help me understand) (?=.)", ""),
    (r"^definition of (?=.)", ""),
    (r"^what (\S+) mean$", r"meaning of \1"),
    (r"^(?:list|name|(?:give|show) me) (?=(?!of )\S+(?: \S+)? of |all )", ""),
    (r"^name(?= all )", "list"),
    (r"^(?:what|which) (?=\S+(?: \S+)? of )", ""),
    (r"^(?:in )?(?:what|which) year (?=did |was |were )", "when "),
    (r"^(?:what makes|reason(?: why| that| for)?) (?=\S)", "why "),
    (r"^how (?:can )?i ", "how to "),
    (r"^(?:(?:what|which) )?(?:way|method|steps|procedure|command) to ", "how to "),
    (r"^(how to .+) (\S+) in (\S+)$", r"\1 \3 \2"),
    (r"^(how (?!to )\S+) works?$", r"\1 work"),
    (r"^how (?:long it takes?|much time (?:needed|required)) to ", "how long to "),
    (r"^(?:what|which) (\S+(?: \S+)?) (\S+) have$", r"\1 of \2"),
    (r"^who (?:author|writer) of ", "who wrote "),
    (r"^who (paint|invent|discover|found|direct|design|develop)(?:er|or) of ", r"who \1ed "),
    (r"^who (creat|compos|produc)(?:er|or) of ", r"who \1ed "),
    (r"^how (?:tall|high) ", "height of "),
    (r"^how old ", "age of "),
    (r"^how (?:big|large) ", "size of "),
    (r"^how fast ", "speed of "),
    (r"^how deep ", "depth of "),
    (r"^how wide ", "width of "),
    (r"^how heavy ", "weight of "),
    (r"^how far (.+) from ", r"distance of \1 from "),
    (r"^distance between (\S+) and ", r"distance of \1 from "),
    (r"^(\S+) used for$", r"purpose of \1"),
)
_ASKING_IN_JAPANESE = (
    (r" ?(?:を|について|とは) ?(?:簡単 に )?(?:説明|解説) (?:して|してください|してほしい)$", ""),
    (r"^(\S+) を (\S+) (?:する|します) (?:方法|手順)(?: を 教 えて| は)?$", r"how \1 \2"),
    (r"^(\S+) を (\S+) (?:する|します) (?:やり|仕) 方(?: を 教 えて| は)?$", r"how \1 \2"),
    (
        r"^(\S+) (?:は|を)(?:どうやって|どのように|どう) (\S+) (?:する|します|すればいいです|すればいい)(?:か)?$",
        r"how \1 \2",
    ),
    (r"^なぜ (\S+) は (\S+?) いの?(?:です)?(?:か)?$", r"why \1 \2"),
    (r"^(\S+) が (\S+) い 理由(?: は)?$", r"why \1 \2"),
)
_ALIKE = {
    "compose": "write",
    "remove": "delete",
    "erase": "delete",
    "purchase": "buy",
    "begin": "start",
    "finish": "end",
    "repair": "fix",
    "quickly": "fast",
}
_NO_MATTER = frozenset({"ですか", "です", "か", "は"})


def core(text: str) -> str:
    """What must be equal, as 16 hex digits; empty where too little is left to tell two prompts apart by."""
    words = core_words(text)
    if not words:
        return ""
    return hashlib.blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def core_words(text: str) -> list[str]:
    """In order. `text` is as the caller wrote it."""
    asked = " ".join(words_that_count(text))
    for pattern, form in _ASKING if asked.isascii() else _ASKING_IN_JAPANESE:
        asked = re.sub(pattern, form, asked)
    return [_ALIKE.get(word, word) for word in asked.split() if word not in _NO_MATTER]
