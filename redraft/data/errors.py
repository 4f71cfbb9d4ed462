"""Errors: the mistakes that learners and hurried writers make, put into clean English text.

Knows kinds of mistakes and how often they come. Refuses to know tokens, models, or how to mend anything.

A text is a list of bare words, punctuation marks counting as words; the white space before each stays as it was
unless a mistake is made of it. A kind of mistake looks at one place, `(words, i, rng)`, and gives an `Edit`: how
many words it takes from there and what stands there instead, or None where it cannot be made.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain
from random import Random
from types import MappingProxyType

from redraft.data import lexicon as lex
from redraft.data import phrases

Edit = tuple[int, str]
Words = Sequence[str]
Kind = Callable[[Words, int, Random], Edit | None]

_STRETCH = re.compile("|".join(sorted((k for k in lex.SOUNDS if len(k) > 1), key=len, reverse=True)))
_LETTER = re.compile(
    r"(?<=[aeiou])[lmnprtfdb](?=[aeiouy])|c(?=[eiy])|c(?=[aou])|(?<=[aeiou])[sz](?=[aeiou])|[aeiou](?=[a-z])|y$"
)
WORD = re.compile(
    r"(\s*)((?:https?://|www\.)\S+|[\w.+-]{1,64}@\w[\w.-]*"  # addresses
    r"|\d+(?:[.,:]\d+)+|(?:[^\W\d_]\.){2,}"  # 3.14, U.S.
    r"|\w+(?:['\u2019]\w+)*|[^\w\s]|\Z)"
)
TRIES = 4  # kinds drawn for one mistake before giving it up
REACH = 60  # how far from a place drawn at random a kind may look for one that suits it
SPREAD = 1.6  # shape of the gamma distribution of rates: the smaller, the more unlike each other are two texts
WORST = 0.5  # no text has more mistakes per word than this

KINDS: dict[str, Kind] = {}
WEIGHTS: dict[str, float] = {}


def _kind(weight: float) -> Callable[[Kind], Kind]:
    """Register a kind of mistake under its function's name, with its share of all mistakes."""

    def register(kind: Kind) -> Kind:
        KINDS[kind.__name__] = kind
        WEIGHTS[kind.__name__] = weight
        return kind

    return register


# ------------------------------------------------------------------------------- looking at words


def _word(words: Words, i: int) -> str:
    """The word at i in lower case, with a straight apostrophe; empty beyond either end."""
    return words[i].lower().replace("\u2019", "'") if 0 <= i < len(words) else ""


def _is_plural(word: str) -> bool:
    """The regular plural of a noun we know."""
    if not word.endswith("s"):
        return False
    return word[:-1] in lex.NOUNS or word[:-2] in lex.NOUNS or word[:-3] + "y" in lex.NOUNS


def _capitalised(word: str) -> bool:
    return word[:1].isupper() and word == word.capitalize()


def _starts(words: Words, i: int) -> bool:
    return i == 0 or words[i - 1] in ".!?"


def _like(word: str, model: str) -> str:
    """`word` in the casing of `model`."""
    if model.isupper() and len(model) > 1:
        return word.upper()
    return word[:1].upper() + word[1:] if model[:1].isupper() else word


def _plain(words: Words, i: int) -> bool:
    """A word whose spelling can go wrong and be mended: Latin letters, and no name in the middle of a sentence."""
    word = words[i]
    return (
        len(word) > 3
        and word.isascii()
        and word.isalpha()
        and (word.islower() or (_capitalised(word) and _starts(words, i)))
    )


def _swap(table: Mapping[str, tuple[str, ...]], words: Words, i: int, rng: Random) -> Edit | None:
    """Another entry of a table of words taken for one another."""
    others = table.get(_word(words, i))
    return (1, _like(rng.choice(others), words[i])) if others else None


# -------------------------------------------------------------------------------------- spelling


@_kind(6)
def misspelling(words: Words, i: int, rng: Random) -> Edit | None:
    """becouse, definately: what everyone gets wrong."""
    return _swap(lex.MISSPELLINGS, words, i, rng)


@_kind(3.5)
def sound(words: Words, i: int, rng: Random) -> Edit | None:
    """Spelt as it is heard: ie/ei, -ance/-ence, silent letters, doubled and single consonants."""
    if not _plain(words, i) or _word(words, i) in lex.FUNCTION_WORDS:
        return None
    word = words[i]
    found = list(_STRETCH.finditer(word, 1))
    if not found or rng.random() < 0.35:
        found = [m for m in _LETTER.finditer(word, 1)] or found
    if not found:
        return None
    match = rng.choice(found)
    return 1, word[: match.start()] + rng.choice(_heard(match, word)) + word[match.end() :]


def _heard(match: re.Match[str], word: str) -> tuple[str, ...]:
    """What a writer may put for a stretch of letters."""
    stretch = match.group()
    if len(stretch) > 1:
        return lex.SOUNDS[stretch]
    between_vowels = word[match.start() - 1] in "aeiou" and word[match.end() : match.end() + 1] in tuple("aeiouy")
    alike = lex.SOUNDS.get(stretch, ())
    return (*alike, stretch * 2) if between_vowels and stretch not in "aeiouy" else alike or (stretch * 2,)


@_kind(1.8)
def letter_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    word = words[i]
    if not _plain(words, i):
        return None
    at = rng.randrange(1, len(word))
    return 1, word[:at] + word[at + 1 :]


@_kind(0.8)
def letter_doubled(words: Words, i: int, rng: Random) -> Edit | None:
    word = words[i]
    if not _plain(words, i):
        return None
    consonants = [k for k in range(1, len(word)) if word[k] not in "aeiouy"]
    if not consonants:
        return None
    at = rng.choice(consonants)
    return 1, word[:at] + word[at] + word[at:]


@_kind(1)
def letters_swapped(words: Words, i: int, rng: Random) -> Edit | None:
    word = words[i]
    if not _plain(words, i):
        return None
    at = rng.randrange(1, len(word) - 1)
    return (1, word[:at] + word[at + 1] + word[at] + word[at + 2 :]) if word[at] != word[at + 1] else None


@_kind(0.7)
def neighbour_key(words: Words, i: int, rng: Random) -> Edit | None:
    """A key beside the right one, instead of it or with it."""
    word = words[i]
    if not _plain(words, i):
        return None
    at = rng.randrange(1, len(word))
    near = rng.choice(lex.KEY_NEIGHBOURS[word[at]])
    return 1, word[:at] + near + word[at + (rng.random() < 0.7) :]


@_kind(1)
def vowel(words: Words, i: int, rng: Random) -> Edit | None:
    """One vowel for another, or left out, or an e at the end that should or should not be there."""
    word = words[i]
    if not _plain(words, i) or _word(words, i) in lex.FUNCTION_WORDS:
        return None
    if rng.random() < 0.25:
        return 1, word[:-1] if word[-1] == "e" else word + "e"
    places = [k for k in range(1, len(word)) if word[k] in "aeiou"]
    if not places:
        return None
    at = rng.choice(places)
    return 1, word[:at] + rng.choice("aeiou".replace(word[at], "") + " ").strip() + word[at + 1 :]


@_kind(3)
def split_or_merged(words: Words, i: int, rng: Random) -> Edit | None:
    """alot, infact, to day, my self."""
    word, pair = _word(words, i), f"{_word(words, i)} {_word(words, i + 1)}"
    if pair in lex.SPLITS:
        return 2, _like(rng.choice(lex.SPLITS[pair]), words[i])
    return _swap(lex.SPLITS, words, i, rng) if word in lex.SPLITS else None


@_kind(1)
def space_lost(words: Words, i: int, rng: Random) -> Edit | None:
    """Two words run together."""
    both = i + 1 < len(words) and words[i].isalpha() and words[i + 1].isalpha()
    return (2, words[i] + words[i + 1]) if both and len(words[i]) + len(words[i + 1]) < 10 else None


@_kind(0.5)
def space_gained(words: Words, i: int, rng: Random) -> Edit | None:
    if not _plain(words, i) or len(words[i]) < 6:
        return None
    at = rng.randrange(2, len(words[i]) - 2)
    return 1, words[i][:at] + " " + words[i][at:]


# ----------------------------------------------------------------------------------------- words

_MISSED = lex.words(
    "is are was were be been am do does not to that it have has had will can i they we he she "
    "there of in for and who which so as if"
)
_DOUBLED = lex.words("the a to of in is and that it i they for we be was with on have")
_ARTICLES = ("a", "an", "the")
_DETERMINERS = lex.words(
    "a an the this that these those my your his her its our their some any no every each "
    "another many much few several all both one two three more most other such"
)


@_kind(2)
def word_missing(words: Words, i: int, rng: Random) -> Edit | None:
    """A small word left out: it called, they going."""
    word = _word(words, i)
    follows = word in _MISSED and _word(words, i + 1).isalpha()
    return (2, _like(words[i + 1], words[i])) if follows and not words[i].isupper() else None


@_kind(0.5)
def word_doubled(words: Words, i: int, rng: Random) -> Edit | None:
    return (1, f"{words[i]} {words[i].lower()}") if _word(words, i) in _DOUBLED else None


@_kind(1)
def words_swapped(words: Words, i: int, rng: Random) -> Edit | None:
    first, second = _word(words, i), _word(words, i + 1)
    if not (first.isalpha() and second.isalpha()) or first == second or words[i + 1] != second:
        return None
    return 2, f"{second.capitalize() if _starts(words, i) else second} {'I' if first == 'i' else first}"


@_kind(6)
def article_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    if _word(words, i) not in _ARTICLES or not _word(words, i + 1).isalpha() or words[i] == "A" == words[i + 1]:
        return None
    return 2, _like(words[i + 1], words[i]) if words[i][0].isupper() else words[i + 1]


@_kind(1)
def article_swapped(words: Words, i: int, rng: Random) -> Edit | None:
    """a apple, an book, a friends, a information: an article that the next word does not take."""
    word, following = _word(words, i), _word(words, i + 1)
    if word not in _ARTICLES or not following.isalpha():
        return None
    right, wrong = ("an", "a") if following[0] in "aeiou" else ("a", "an")
    if word == "the":
        takes_none = following in lex.MASS_NOUNS or _is_plural(following)
        return (1, _like(right if takes_none else wrong, words[i])) if takes_none or wrong == "a" else None
    return 1, _like(wrong if rng.random() < 0.7 else "the", words[i])


@_kind(8)
def article_added(words: Words, i: int, rng: Random) -> Edit | None:
    """the people, the society, a information: before a noun that has no article."""
    word, before = words[i], _word(words, i - 1)
    mass = word in lex.MASS_NOUNS
    noun = mass or _is_plural(word) or word in lex.NOUNS or word == "people"
    free = before in lex.FUNCTION_WORDS and before not in _DETERMINERS
    return (1, f"{'a' if rng.random() < 0.3 else 'the'} {word}") if noun and free else None


@_kind(3.5)
def preposition_swapped(words: Words, i: int, rng: Random) -> Edit | None:
    if words[i] == "to" and _VERBS.get(_word(words, i + 1), ("",))[0] == "base":
        return 1, "for"
    return None if _starts(words, i) else _swap(lex.PREPOSITIONS, words, i, rng)


@_kind(2)
def preposition_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    drop = words[i] in lex.PREPOSITIONS and i > 0 and _word(words, i + 1).isalpha() and words[i - 1].isalpha()
    return (2, words[i + 1]) if drop else None


@_kind(5)
def preposition_added(words: Words, i: int, rng: Random) -> Edit | None:
    """discuss about, enter into."""
    if not _word(words, i + 1).isalpha() or _word(words, i + 1) in lex.PREPOSITIONS:
        return None
    object_follows = words[i] in _VERBS and _word(words, i + 1) in _DETERMINERS
    added = lex.ADDED_PREPOSITIONS.get(
        words[i], ("to", "to", "of", "in", "on", "for", "about") if object_follows else ()
    )
    return (1, f"{words[i]} {rng.choice(added)}") if added else None


# ----------------------------------------------------------------------------------------- verbs


def _third(base: str) -> str:
    if base in ("have", "be", "do", "go"):
        return {"have": "has", "be": "is", "do": "does", "go": "goes"}[base]
    return _plural(base)


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


_DOUBLING = lex.words(
    "admit begin bet chat cut dig drop fit forbid forget get hit let plan prefer put quit refer run "
    "set shut sit spin split stop swim transfer upset win"
)


def _stem(base: str) -> str:
    return base + base[-1] if base in _DOUBLING else base


def _ing(base: str) -> str:
    if base.endswith("ie"):
        return base[:-2] + "ying"
    return (base[:-1] if base.endswith("e") and base[-2:] not in ("ee", "ye", "oe") else _stem(base)) + "ing"


def _ed(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    return base[:-1] + "ied" if base.endswith("y") and base[-2] not in "aeiou" else _stem(base) + "ed"


@dataclass(frozen=True, slots=True)
class _Verb:
    base: str
    third: str
    past: str
    participle: str
    ing: str
    regular: str  # the past it would have were it regular: goed, teached


def _verbs() -> dict[str, tuple[str, _Verb]]:
    """Every form of every verb of the tables, as (which form, the verb). The base wins where forms are the same."""
    verbs = [_Verb(b, _third(b), past, part, _ing(b), _ed(b)) for b, (past, part) in lex.IRREGULAR.items()]
    verbs += [_Verb(b, _third(b), _ed(b), _ed(b), _ing(b), b) for b in lex.REGULAR_VERBS]
    forms: dict[str, tuple[str, _Verb]] = {}
    for name in ("ing", "participle", "past", "third", "base"):
        forms |= {getattr(verb, name): (name, verb) for verb in verbs}
    return forms


_VERBS = _verbs()
_BARE = lex.words(
    "to can will could should would may might must shall do does did don't doesn't didn't can't cannot "
    "won't couldn't wouldn't shouldn't not let's"
)
_HAVE = lex.words("have has had having haven't hasn't hadn't")
_BE = lex.words("is are was were be been being am isn't aren't wasn't weren't i'm it's they're we're you're")
_SINGULAR = lex.words("he she it this that who which everyone everybody someone nobody")
_PLURAL = lex.words("i we you they people who these those")
_SUBJECTS = lex.words("i you he she it we they people this that who which everyone")
_DROPPED = lex.words("it they we you i he she this that them their your its our his her my these there one")
_FINITE = lex.words("is are was were has have had can could will would should may must do does did")
_BEFORE_THAT = lex.words("say says said think thinks know knows believe want wants for as because so if")


@_kind(6)
def verb_form(words: Words, i: int, rng: Random) -> Edit | None:
    """to goes, have went, is use, of make: a form that what stands before it does not take."""
    form, verb = _VERBS.get(words[i], (None, None))
    if verb is None:
        return None
    wrong = _wrong_forms(form, verb, _word(words, i - 1))
    choices = [w for w in wrong if w != words[i]]
    return (1, rng.choice(choices)) if choices else None


def _wrong_forms(form: str | None, verb: _Verb, before: str) -> tuple[str, ...]:
    if before in _BARE and form == "base":
        return verb.third, verb.past, verb.ing, verb.participle, "to " + verb.base
    if before in _HAVE and form in ("past", "participle"):
        return verb.base, verb.past, verb.regular, verb.ing
    if before in _BE and form != "base":
        return verb.base, verb.base, verb.past, verb.third
    if before in lex.PREPOSITIONS and form == "ing":
        return verb.base, verb.base, "to " + verb.base, verb.third
    if form not in ("past", "participle"):
        return ()
    if before in _SINGULAR or before in lex.NOUNS:
        return verb.regular, verb.base, verb.ing
    return (verb.ing,) if before in _PLURAL else (verb.regular,) if verb.regular != verb.base else ()


@_kind(2)
def to_dropped_or_added(words: Words, i: int, rng: Random) -> Edit | None:
    """want go; must to go."""
    word, following = _word(words, i), _word(words, i + 1)
    if _VERBS.get(following, ("",))[0] != "base":
        return None
    if words[i] == "to":
        return 2, words[i + 1]
    modal = word in _BARE and word not in ("not", "to", "do", "does", "did")
    return (1, words[i] + " to") if modal else None


@_kind(3)
def agreement(words: Words, i: int, rng: Random) -> Edit | None:
    """they is, he have, people was."""
    return _swap(lex.AGREEMENT, words, i, rng)


@_kind(5)
def verb_number(words: Words, i: int, rng: Random) -> Edit | None:
    """he go, they goes."""
    form, verb = _VERBS.get(words[i], (None, None))
    if verb is None or words[i] in lex.AGREEMENT:
        return None
    if form == "third":
        return 1, verb.base
    before = _word(words, i - 1)
    plural = before in _PLURAL or _is_plural(before)
    return (1, verb.third) if form == "base" and plural else None


# --------------------------------------------------------------------- small words too many or too few


@_kind(4)
def auxiliary_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    """they going, it made of wood, people not like it."""
    if words[i] not in phrases.AUXILIARIES or i == 0 or not (words[i - 1].isalpha() and _word(words, i + 1).isalpha()):
        return None
    return 2, words[i + 1]


@_kind(6)
def auxiliary_added(words: Words, i: int, rng: Random) -> Edit | None:
    """I am agree, he is go, they were decided: one before a verb that has none."""
    form, verb = _VERBS.get(words[i], (None, None))
    if verb is None or _word(words, i - 1) not in _SUBJECTS:
        return None
    be = {"i": "am", "he": "is", "she": "is", "it": "is", "this": "is", "that": "is"}.get(_word(words, i - 1), "are")
    past = {"am": "was", "is": "was", "are": "were"}[be]
    helper = rng.choice((past, "had", "have", "did") if form == "past" else (be, be, "can", "will", "do", "have"))
    return 1, f"{helper} {words[i]}"


@_kind(2)
def auxiliary_swapped(words: Words, i: int, rng: Random) -> Edit | None:
    """will for would, had for have, is for was."""
    return _swap(phrases.MODALS, words, i, rng)


@_kind(4)
def pronoun_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    """think is good, when go home, like very much: a pronoun that English needs."""
    if _word(words, i) not in _DROPPED or not _word(words, i + 1).isalpha() or (words[i].isupper() and words[i] != "I"):
        return None
    return 2, _like(words[i + 1], words[i]) if _starts(words, i) else words[i + 1]


@_kind(5)
def pronoun_added(words: Words, i: int, rng: Random) -> Edit | None:
    """my friends they like it; the book that it was new."""
    before, after = words[i], _word(words, i + 1)
    if after not in _FINITE or not before.isalpha() or before in _FINITE:
        return None
    if before in ("who", "which", "that"):
        return 1, f"{before} {rng.choice(('they', 'it', 'he'))}"
    if before == "people" or _is_plural(before):
        return 1, f"{before} they"
    return (1, f"{before} {rng.choice(('it', 'it', 'he', 'she'))}") if before in lex.NOUNS else None


@_kind(2)
def joiner_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    """It rained stopped: and, but, because, that, which left out."""
    inner = words[i] in phrases.JOINERS and i > 0 and words[i - 1] not in ".!?"
    return (2, words[i + 1]) if inner and _word(words, i + 1).isalpha() else None


@_kind(1.2)
def joiner_swapped(words: Words, i: int, rng: Random) -> Edit | None:
    return _swap(phrases.JOINERS, words, i, rng)


@_kind(3)
def joiner_added(words: Words, i: int, rng: Random) -> Edit | None:
    """but, so, and, that where a sentence goes on without: although it rained, but we left."""
    if not words[i].isalpha() or _starts(words, i):
        return None
    if words[i - 1] == "," and words[i].islower() and words[i] not in phrases.JOINERS:
        return 1, f"{rng.choice(('so', 'but', 'and', 'then', 'that'))} {words[i]}"
    return (1, f"{words[i]} that") if words[i] in _BEFORE_THAT and _word(words, i + 1).isalpha() else None


@_kind(6)
def emphasis(words: Words, i: int, rng: Random) -> Edit | None:
    """very much important, so really big, also too: a small word that adds nothing."""
    word = words[i]
    if word in phrases.ADJECTIVES and _word(words, i - 1) not in phrases.EMPHASIS:
        return 1, f"{rng.choice(('very', 'more', 'so', 'most', 'really', 'too', 'much'))} {word}"
    form = _VERBS.get(word, ("",))[0]
    if form in ("third", "past", "base") and _word(words, i - 1) in _SUBJECTS:
        return 1, f"{rng.choice(('also', 'just', 'always', 'only', 'not', 'even'))} {word}"
    return None


@_kind(3)
def determiner_added(words: Words, i: int, rng: Random) -> Edit | None:
    """some, any, these before a noun that has none or one already: the all people, other many books."""
    word, before = words[i], _word(words, i - 1)
    noun = word in lex.NOUNS or word in lex.MASS_NOUNS or _is_plural(word)
    if not noun or before not in lex.FUNCTION_WORDS:
        return None
    return 1, f"{rng.choice(('some', 'any', 'other', 'all', 'own', 'these', 'such', 'many', 'one'))} {word}"


@_kind(3)
def emphasis_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    both = words[i] in phrases.EMPHASIS and i > 0 and words[i - 1].isalpha() and _word(words, i + 1).isalpha()
    return (2, words[i + 1]) if both else None


# ------------------------------------------------------------------------------ phrases and word choice


@_kind(10)
def phrase(words: Words, i: int, rng: Random) -> Edit | None:
    """on my opinion, according with, make a decision as take a decision: the whole of a set phrase."""
    for count in range(phrases.MOST_WORDS, 0, -1):
        others = phrases.PHRASES.get(" ".join(_word(words, i + k) for k in range(count)))
        if others:
            wrong = rng.choice(others)
            if wrong.split()[0].split("'")[0] == "i":
                wrong = "I" + wrong[1:]
            return count, wrong if words[i] == "I" and not _starts(words, i) else _like(wrong, words[i])
    return None


@_kind(4)
def word_class(words: Words, i: int, rng: Random) -> Edit | None:
    """success for successful, different for difference."""
    return _swap(phrases.FAMILIES, words, i, rng)


@_kind(3)
def tense(words: Words, i: int, rng: Random) -> Edit | None:
    """One verb of a text in another tense than it has: he goes for went, has gone for went, had gone for goes."""
    form, verb = _VERBS.get(words[i], (None, None))
    before = _word(words, i - 1)
    if verb is None or form not in ("past", "third") or before in _HAVE | _BE | _BARE:
        return None
    plural = before in _PLURAL or _is_plural(before)
    present, have = (verb.base, "have") if plural else (verb.third, "has")
    simple = verb.past if form == "third" else present
    return 1, rng.choice((simple, simple, f"had {verb.participle}", f"{have} {verb.participle}", f"will {verb.base}"))


# ---------------------------------------------------------------------------------- nouns, others

_NO_PLURAL = lex.words(
    "this is was has his as us its thus always perhaps yes does goes says less unless across "
    "towards besides sometimes news means series ours yours hers theirs was's"
)
_SOME = lex.words(
    "many these those some several few all most of other various different two three four five ten more lots such both"
)
_ONE = lex.words("a an this that each every one another any")


@_kind(5)
def noun_singular(words: Words, i: int, rng: Random) -> Edit | None:
    """many book. A verb taken for a plural loses its s too, and is as wrong without it."""
    word = words[i]
    countable = len(word) > 3 and word.endswith("s") and word.islower() and word.isalpha()
    if not countable or word.endswith(("ss", "us", "is")) or word in _NO_PLURAL:
        return None
    if word.endswith("ies"):
        return 1, word[:-3] + "y"
    return 1, word[: -2 if word.endswith(("ches", "shes", "sses", "xes")) else -1]


@_kind(4)
def noun_plural(words: Words, i: int, rng: Random) -> Edit | None:
    """a books, informations."""
    word, before = words[i], _word(words, i - 1)
    if word in lex.MASS_NOUNS:
        return 1, _plural(word)
    noun = word in lex.NOUNS and (before in _ONE or rng.random() < 0.2)
    return (1, _plural(word)) if noun else None


@_kind(1.5)
def noun_irregular(words: Words, i: int, rng: Random) -> Edit | None:
    """childrens, womans, countrys."""
    return _swap(lex.IRREGULAR_PLURALS, words, i, rng)


@_kind(3.5)
def homophone(words: Words, i: int, rng: Random) -> Edit | None:
    return _swap(lex.HOMOPHONES, words, i, rng)


@_kind(6)
def confusable(words: Words, i: int, rng: Random) -> Edit | None:
    """say for tell, much for many, success for succeed."""
    return _swap(lex.CONFUSABLES, words, i, rng)


@_kind(1.2)
def pronoun(words: Words, i: int, rng: Random) -> Edit | None:
    edit = _swap(lex.PRONOUNS, words, i, rng)
    return None if edit is None else (1, edit[1].lower() if not _starts(words, i) else edit[1])


_NOT_FROM_ADJECTIVE = lex.words("family reply apply supply early friendly lonely lovely daily likely elderly")


@_kind(2)
def adverb(words: Words, i: int, rng: Random) -> Edit | None:
    """speak quick, a really problem."""
    word = words[i]
    if len(word) > 5 and word.endswith("ly") and word not in _NOT_FROM_ADJECTIVE:
        return 1, re.sub("ily$", "y", re.sub("bly$", "ble", word)).removesuffix("ly")
    adjective = word.endswith(("al", "ful", "ous", "ive")) and len(word) > 5
    return (1, word + "ly") if adjective and _word(words, i - 1) in _BE | {"a", "the", "more"} else None


@_kind(1.5)
def comparison(words: Words, i: int, rng: Random) -> Edit | None:
    """more better, more big, most easiest."""
    for table, more in ((lex.COMPARATIVES, "more"), (lex.SUPERLATIVES, "most")):
        if words[i] in table:
            return 1, rng.choice((f"{more} {words[i]}", f"{more} {table[words[i]][0]}", table[words[i]][0]))
    if words[i] in ("more", "most") and _word(words, i + 1).endswith(("ful", "ous", "ive", "ant", "ent", "ing", "ed")):
        return 2, words[i + 1]
    return None


# ------------------------------------------------------------------------ casing and punctuation


@_kind(3)
def capital_lost(words: Words, i: int, rng: Random) -> Edit | None:
    return (1, words[i].lower()) if _capitalised(words[i]) else None


@_kind(0.6)
def capital_gained(words: Words, i: int, rng: Random) -> Edit | None:
    return (
        (1, words[i].capitalize() if rng.random() < 0.8 else words[i].upper())
        if words[i].islower() and _plain(words, i)
        else None
    )


@_kind(13)
def comma_dropped(words: Words, i: int, rng: Random) -> Edit | None:
    return (1, "") if words[i] == "," and 0 < i < len(words) - 1 and not words[i + 1].isdigit() else None


_BEFORE_COMMA = lex.words("that because but and if when who which so or than of")


@_kind(2)
def comma_added(words: Words, i: int, rng: Random) -> Edit | None:
    """Before or after a small word that joins: he says, that."""
    if not (words[i].isalpha() and _word(words, i + 1).isalpha()):
        return None
    return (1, words[i] + ",") if words[i + 1] in _BEFORE_COMMA or words[i] in ("that", "because", "and") else None


@_kind(1.2)
def final_mark_lost(words: Words, i: int, rng: Random) -> Edit | None:
    last = words[i] in (".", "?", "!") and not any(w.isalnum() for w in words[i + 1 : i + 3])
    return (1, "") if last and i > 0 else None


@_kind(2)
def sentences_run_on(words: Words, i: int, rng: Random) -> Edit | None:
    """A full stop that became a comma, or nothing."""
    if words[i] != "." or i + 1 >= len(words) or not _capitalised(words[i + 1]) or i == 0:
        return None
    if _capitalised(words[i - 1]) and len(words[i - 1]) < 5:  # Mr. Dr. U.S.
        return None
    following = words[i + 1] if words[i + 1] == "I" or rng.random() < 0.3 else words[i + 1].lower()
    return 2, rng.choice((",", ",", "", " and")) + " " + following


@_kind(0.5)
def sentence_broken(words: Words, i: int, rng: Random) -> Edit | None:
    """A comma that became a full stop."""
    joins = words[i] == "," and _word(words, i + 1) in lex.FUNCTION_WORDS and i > 0
    return (2, f". {words[i + 1].capitalize()}") if joins else None


@_kind(3)
def apostrophe(words: Words, i: int, rng: Random) -> Edit | None:
    """dont, its, peoples; now and then one too many: book's."""
    word = words[i]
    at = max(word.find("'"), word.find("\u2019"))
    if at > 0:
        possessive = word.endswith(("'s", "\u2019s")) and rng.random() < 0.4
        return 1, word[:at] if possessive else word[:at] + word[at + 1 :]
    return (1, word[:-1] + "'s") if _is_plural(word) and rng.random() < 0.15 else None


@_kind(0.7)
def spacing(words: Words, i: int, rng: Random) -> Edit | None:
    """A space before a mark, or none after it."""
    if words[i] not in tuple(",.!?;:") or i == 0:
        return None
    follows = _word(words, i + 1).isalpha() and words[i] in ",."
    return (2, words[i] + words[i + 1]) if follows and rng.random() < 0.6 else (1, " " + words[i])


# -------------------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class ErrorModel:
    """How many mistakes, and of which kinds.

    rate     expected mistakes per word; each text draws its own rate around it
    weights  share of each kind by name (see `KINDS`); a kind that is not named is not made
    """

    rate: float = 0.12
    weights: Mapping[str, float] = field(default_factory=lambda: MappingProxyType(WEIGHTS))

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= 1:
            raise ValueError(f"{self.rate=} must be in [0, 1]")
        if unknown := set(self.weights) - set(KINDS):
            raise ValueError(f"weights name no kind of mistake: {sorted(unknown)}; there are {sorted(KINDS)}")
        if sum(self.weights.values()) <= 0 or min(self.weights.values()) < 0:
            raise ValueError(f"{self.weights=} must not be negative, nor all zero")

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        return tuple(KINDS[name] for name in self.weights)

    @cached_property
    def cumulative(self) -> tuple[float, ...]:
        """Running sum of the weights, in the order of `kinds`."""
        return tuple(accumulate(self.weights.values()))

    def num_errors(self, num_words: int, rng: Random) -> int:
        """How many mistakes a text of so many words gets: gamma-distributed around the rate."""
        rate = min(WORST, self.rate * rng.gammavariate(SPREAD, 1 / SPREAD))
        return int(rate * num_words + rng.random())


DEFAULT = ErrorModel()


def make_errors(text: str, rng: Random, model: ErrorModel = DEFAULT) -> str:
    """`text` with mistakes in it: from none to terrible, `model.rate` per word on average.

    Line breaks stay where they are. The same text and state of `rng` give the same mistakes.
    """
    pieces = WORD.findall(text)
    spaces = [space for space, _ in pieces]
    words = [word for _, word in pieces if word]
    written: list[str | None] = [None] * len(words)  # what stands at a word after a mistake; None: as it was
    num_words = sum(word.isascii() and word[0].isalpha() for word in words)  # marks and other scripts cannot go wrong
    for _ in range(model.num_errors(num_words, rng)):
        _make_one(words, spaces, written, rng, model)
    out = [space + (word if new is None else new) for space, word, new in zip(spaces, words, written, strict=False)]
    return "".join(out) + "".join(spaces[len(words) :])


def _make_one(words: list[str], spaces: list[str], written: list[str | None], rng: Random, model: ErrorModel) -> None:
    """Draw a kind and look for a place for it; after a few kinds without one, give up."""
    for kind in rng.choices(model.kinds, cum_weights=model.cumulative, k=TRIES):
        start = rng.randrange(len(words))
        for i in chain(range(start, min(start + REACH, len(words))), range(min(start, REACH))):
            edit = kind(words, i, rng) if written[i] is None else None
            if edit is not None and _apply(edit, i, words, spaces, written):
                return


def _apply(edit: Edit, i: int, words: list[str], spaces: list[str], written: list[str | None]) -> bool:
    """Write an edit, unless it changes nothing, meets an earlier one or would join two lines."""
    count, text = edit
    taken = range(i + 1, i + count)
    if (count == 1 and text == words[i]) or any(written[k] is not None or "\n" in spaces[k] for k in taken):
        return False
    written[i] = text
    for k in taken:
        written[k], spaces[k] = "", ""
    return True
