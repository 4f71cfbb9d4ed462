"""The world: a small one of people, animals, places and things, and any number of stories, prompts and talks about it.

Everything is a pure function of a seed. Names, pronouns, things and places are drawn once for a story and hold to its
end. Knows who and what there is; how it is told stands in `plots`, what is said in `talks`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from redraft.data import plots
from redraft.data.prompts import prompted
from redraft.data.talks import QUESTIONS, TALKS


def _listed(text: str) -> tuple[str, ...]:
    """The words of a text in order, '_' for a space inside one."""
    return tuple(word.replace("_", " ") for word in text.split())


HE = {"he": "he", "him": "him", "his": "his", "himself": "himself"}
SHE = {"he": "she", "him": "her", "his": "her", "himself": "herself"}
BOYS = _listed("Tom Tim Ben Max Sam Jack Leo Finn Oscar Noah Luke Adam Henry Theo Paul Omar Ravi Hugo Milo Felix")
GIRLS = _listed("Lily Mia Anna Sara Lucy Emma Ella Nora Ruby Zoe Amy Kate Rosa Maya Ida Clara Jane Lena Nina Tess")
PETS = _listed("Pip Momo Coco Benny Rusty Bella Daisy Hazel Toby Bruno Poppy Ziggy Pepper Willow Nutty Misty")
ANIMALS = _listed("rabbit fox bear mouse squirrel duck frog turtle hedgehog kitten puppy owl pig goat beaver mole")
LITTLE_ONES = _listed("bird kitten puppy duckling bunny hedgehog squirrel lamb")
HOMES = (
    "a small house near the woods", "a little village", "a big town", "a cozy house by the sea", "a house on a hill",
    "a small town", "an old farmhouse", "a yellow house with a garden",
)  # fmt: skip
DENS = (
    "a big forest", "a small house under an old oak tree", "a warm den near the river", "a green meadow",
    "a little house in the woods",
)  # fmt: skip
PLACES = (
    ("the park", "to", "at"), ("the forest", "into", "in"), ("the beach", "to", "at"), ("the garden", "into", "in"),
    ("the playground", "to", "at"), ("the farm", "to", "on"), ("the lake", "to", "at"), ("the meadow", "to", "in"),
    ("the river", "to", "by"), ("the hill", "up", "on"), ("the woods", "into", "in"),
    ("the village square", "to", "in"),
)  # fmt: skip
OUTSIDE = (
    "behind a big tree", "under a bush", "in the tall grass", "next to a rock", "under the old bench", "near the gate",
    "behind the fence", "under a pile of leaves", "beside the path", "under a log", "behind the stone wall",
)  # fmt: skip
INSIDE = ("under the bed", "behind the couch", "in a drawer", "in the closet", "under the stairs", "behind the door")
TOYS = _listed("""
ball doll kite drum hat scarf book blanket boat robot whistle balloon crown puzzle wagon bell basket backpack marble
flute lantern cup umbrella teddy_bear toy_car toy_train music_box paint_set jump_rope
""")
FRAGILE = _listed("vase cup plate clock lamp teapot mirror bowl jar music_box snow_globe glass_bird")
LOOKS = _listed("shiny soft big little new pretty old round smooth special lovely tiny")
COLORS = _listed("red blue green yellow purple orange white pink brown golden silver")
WEATHER = _listed("sunny warm windy bright cold cloudy lovely quiet")
SAD = _listed("sad sad upset unhappy")
GLAD = _listed("happy happy glad pleased excited proud")
TRAITS = _listed("kind curious brave funny clever shy cheerful friendly gentle lively")
HOBBIES = (
    ("play ball", "played ball"), ("draw pictures", "drew pictures"), ("sing songs", "sang songs"),
    ("pick flowers", "picked flowers"), ("tell stories", "told stories"), ("build towers", "built towers"),
    ("dance", "danced"), ("play hide and seek", "played hide and seek"), ("read books", "read books"),
    ("run and jump", "ran and jumped"), ("play games", "played games"), ("make music", "made music"),
    ("look at the clouds", "looked at the clouds"), ("collect stones", "collected stones"),
)  # fmt: skip
SKILLS = (
    ("ride a bike", "riding a bike", "rode their bikes", "{he} fell off"),
    ("swim", "swimming", "swam", "{he} went under"),
    ("whistle", "whistling", "whistled", "no sound came out"),
    ("jump rope", "jumping rope", "jumped rope", "{his} feet got caught"),
    ("skate", "skating", "skated", "{he} slipped and fell"),
    ("climb the big tree", "climbing the big tree", "climbed the big tree", "{he} slid down again"),
    ("juggle", "juggling", "juggled", "the balls fell on the ground"),
    ("play the flute", "playing the flute", "played the flute", "it did not sound right"),
    ("draw a horse", "drawing a horse", "drew horses", "it looked like a potato"),
    ("do a handstand", "doing a handstand", "did handstands", "{he} fell over"),
    ("fly a kite", "flying a kite", "flew kites", "the kite fell down"),
)
FEARS = ("the dark", "thunder", "deep water", "the wind at night", "the old house", "the tall slide", "the big bridge")
DANGERS = (
    ("the old well", "near the old well"), ("the deep lake", "near the deep lake"),
    ("the old tower", "up the old tower"),
    ("the dark cave", "into the dark cave"), ("the busy road", "near the busy road"), ("the swamp", "into the swamp"),
)  # fmt: skip
CHORES = (
    "swept the floor", "watered the plants", "washed the dishes", "fed the chickens", "picked apples",
    "raked the leaves", "helped in the kitchen", "cleaned the windows", "carried wood", "folded the clothes",
)  # fmt: skip
FOOD = (
    "soup and bread", "cookies and milk", "apple pie", "pancakes", "sandwiches", "warm soup", "bread with jam",
    "a big cake", "berries and cream", "cheese and crackers",
)  # fmt: skip
MADE = _listed("a_card a_cake a_picture a_paper_star a_scarf a_clay_bird a_wooden_spoon a_puppet")
RELATIVES = (
    ("grandma", SHE), ("grandpa", HE), ("aunt", SHE), ("uncle", HE), ("big sister", SHE), ("big brother", HE),
)  # fmt: skip
MORALS: Mapping[str, tuple[str, str]] = {
    "lost": ("good friends help each other", "took better care of {his} things"),
    "want": ("hard work is worth it", "worked for the things {he} wanted"),
    "fear": ("being brave means trying even when you are scared", "was not afraid of {fear} anymore"),
    "broken": ("it is always best to tell the truth", "always told the truth"),
    "rescue": ("even small ones need help sometimes", "was kind to every animal"),
    "share": ("sharing makes everything more fun", "always shared {his} toys"),
    "weather": ("you can have fun on a rainy day too", "liked rainy days"),
    "learn": ("you get better when you practice", "never gave up too soon"),
    "gift": ("the best gifts come from the heart", "made all {his} presents {himself}"),
    "newcomer": ("a kind word can make a friend", "was kind to everyone who was new"),
    "warning": ("rules are there to keep us safe", "listened to {his} {parent}"),
    "mystery": ("it is good to be curious", "loved to solve a mystery"),
}
_CHOICE = re.compile(r"\[([^\[\]]*)\]")
_SWAP = re.compile(rf"\b(?:{'|'.join(sorted(plots.SWAPS, key=len, reverse=True))})\b(?![^{{]*\}})")
_START = re.compile(r"(?:^|(?<=\n)|(?<=[.!?] ))[\"']?[a-z]|(?<= \")[a-z](?=[^\"]*\")")


@dataclass(frozen=True, slots=True)
class Story:
    """A story with what is true in it."""

    text: str
    plot: str
    slots: Mapping[str, str]


def story(seed: int) -> Story:
    """The story of a seed: 40 to 260 words in paragraphs."""
    rng = Random(f"story {seed}")
    plot = rng.choice(sorted(plots.PLOTS))
    slots = _slots(rng, plot)
    beats = [*_beats(plots.OPENINGS, rng, not_about="friend" if plot == "newcomer" else "\n")]
    beats += _beats(plots.PLOTS[plot], rng)
    beats = list(_with_interludes(beats, rng))
    beats = [_chosen(beat, rng) for beat in beats]
    alone = not any("{friend}" in beat for beat in beats)
    ends = _beats(plots.ENDINGS, rng, not_about="{friend}|they|everyone" if alone else "\n")
    beats += [_chosen(beat, rng) for beat in ends]
    told_beats = [told(beat, slots, rng) for beat in _introduced(beats, plot)]
    text = "".join(f"{beat}{rng.choice((' ', ' ', chr(10)))}" for beat in told_beats).strip()
    return Story(text, plot, slots)


def _beats(beats: Sequence[Sequence[str]], rng: Random, not_about: str = "\n") -> Iterator[str]:
    """A wording of every beat that is told, none that has what `not_about` finds."""
    for beat in beats:
        ways = [way for way in beat if way != "?" and not re.search(not_about, way)]
        if ways and (beat[0] != "?" or rng.random() < 0.5):
            yield rng.choice(ways)


def _with_interludes(beats: Sequence[str], rng: Random) -> Iterator[str]:
    """Now and then something else between two beats: about both where the friend is there already."""
    share = rng.choice((0.0, 0.15, 0.3))
    left = {name: rng.sample(ways, len(ways)) for name, ways in (("both", plots.TOGETHER), ("one", plots.ALONE))}
    met = False
    for n, beat in enumerate(beats):
        yield beat
        met = met or "{friend}" in beat
        if 0 < n < len(beats) - 1 and rng.random() < share:
            yield left["both" if met and rng.random() < 0.4 else "one"].pop()


def _introduced(beats: Sequence[str], plot: str) -> Iterator[str]:
    """The friend is called one where first named, unless that is said already or they are only meeting."""
    known = plot == "newcomer"
    for beat in beats:
        named = "{friend}" in beat
        told_already = known or not named or "friend_word" in beat or "best friend was" in beat
        known = known or named
        yield beat if told_already else beat.replace("{friend}", "{his} friend {friend}", 1)


def _chosen(wording: str, rng: Random) -> str:
    """A wording with one of `[a|b]` for each choice."""
    while _CHOICE.search(wording):
        wording = _CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), wording)
    return wording


def told(wording: str, slots: Mapping[str, str], rng: Random) -> str:
    """A wording with its choices made, its slots filled and its sentences begun with capitals."""
    wording = _SWAP.sub(lambda match: rng.choice(plots.SWAPS[match.group()]), _chosen(wording, rng))
    text = wording.format_map(slots).format_map(slots)
    text = re.sub(r"\ba (?=[aeio]|umbrella|uncle)", "an ", text)
    return _START.sub(lambda match: match.group().upper(), text)


def _slots(rng: Random, plot: str = "") -> dict[str, str]:
    """Who, where and what: everything a story may speak of, drawn once."""
    slots: dict[str, str] = {}
    hero, friend = _person(rng), _person(rng)
    while friend["name"] == hero["name"] or (friend["sort"] in (hero["sort"], "") and friend["sort"]):
        friend = _person(rng)
    slots |= hero | {"hero": hero["name"], "hero_intro": f"{hero['kind']} named {hero['name']}"}
    slots |= {"hero_kind": hero["kind"], "friend": friend["name"], "friend_kind": friend["kind"]}
    slots |= {f"f{name}": friend[name] for name in HE} | {"new_kind": friend["kind"], "friend_word": "friend"}
    parent, phe = rng.choice((("mom", SHE), ("dad", HE), ("mother", SHE), ("father", HE), ("mommy", SHE)))
    relative, rhe = rng.choice(RELATIVES)
    slots |= {"parent": parent, "phe": phe["he"], "phis": phe["his"], "relative": relative}
    slots |= {"rhe": rhe["he"], "rhim": rhe["him"]}
    return slots | _things(rng, plot) | _setting(rng, plot, hero["sort"]) | _doings(rng, plot)


def _person(rng: Random) -> dict[str, str]:
    """Name, pronouns, and what a child or an animal is called at first."""
    pronouns = rng.choice((HE, SHE))
    if rng.random() < 0.35:
        sort = rng.choice(ANIMALS)
        return pronouns | {
            "name": rng.choice(PETS), "sort": sort, "kind": f"a {rng.choice(('little', 'small', 'young'))} {sort}"
        }  # fmt: skip
    child = "boy" if pronouns is HE else "girl"
    name = rng.choice(BOYS if pronouns is HE else GIRLS)
    return pronouns | {"name": name, "sort": "", "kind": f"a {rng.choice(('little', 'young', 'small'))} {child}"}


def _things(rng: Random, plot: str) -> dict[str, str]:
    thing, other = rng.sample(FRAGILE if plot == "broken" else TOYS, 2)
    looks, color = rng.choice(LOOKS), rng.choice(COLORS)
    adj, adj2 = (looks, color) if rng.random() < 0.5 else (color, looks)
    return {
        "thing": thing, "thing2": other, "adj": adj, "adj2": adj2, "color": rng.choice(COLORS),
        "a_thing": f"a {adj} {thing}", "the_thing": rng.choice((f"the {thing}", f"the {adj} {thing}")),
        "it_was": "it was",
        "a_made": rng.choice(MADE), "food": rng.choice(FOOD),
    }  # fmt: skip


def _setting(rng: Random, plot: str, sort: str) -> dict[str, str]:
    place, to, at = rng.choice(PLACES)
    spot, spot2, spot3 = rng.sample(INSIDE if plot == "broken" else OUTSIDE, 3)
    danger, to_danger = rng.choice(DANGERS)
    animal = rng.choice([one for one in LITTLE_ONES if one != sort])
    return {
        "place": place, "to_place": f"{to} {place}", "at_place": f"{at} {place}", "spot": spot, "spot2": spot2,
        "spot3": spot3, "danger": danger, "to_danger": to_danger, "animal": animal, "weather": rng.choice(WEATHER),
        "an_animal": f"a {rng.choice(('white', 'brown', 'black', 'small'))} {animal}",
        "animal_food": rng.choice(("milk", "food", "bread and water", "water and seeds")),
        "small": rng.choice(("small", "tiny", "little", "baby")), "pet_name": rng.choice(PETS),
        "home": rng.choice(DENS if sort else HOMES), "fear": rng.choice(FEARS),
        "shop": rng.choice(("the toy shop", "the store", "the market", "the little shop on the corner")),
        "smell": rng.choice(("rain", "fresh bread", "flowers", "grass", "apples", "wood", "cake", "the sea")),
        "stuck": rng.choice(("between two rocks", "under a branch", "in a net", "in a thorn bush")),
    }  # fmt: skip


def _doings(rng: Random, plot: str) -> dict[str, str]:
    (hobby, hobby_past), (hobby2, _) = rng.sample(HOBBIES, 2)
    skill, skill_ing, skill_past, failed = rng.choice(SKILLS)
    chore, chore2 = rng.sample(CHORES, 2)
    moral, lesson = MORALS.get(plot, ("", ""))
    trait, ftrait = rng.sample(TRAITS, 2)
    return {
        "hobby": hobby, "hobby_past": hobby_past, "hobby2": hobby2, "skill": skill, "skill_ing": skill_ing,
        "skill_past": skill_past, "failed": failed, "chore_past": chore, "chore_past2": chore2, "moral": moral,
        "moral_said": moral, "lesson": lesson, "trait": trait, "ftrait": ftrait, "sad": rng.choice(SAD),
        "glad": rng.choice(GLAD), "not_today": rng.choice(("not today", "maybe later", "not now")),
    }  # fmt: skip


# --------------------------------------------------------------------------------- prompts and talks


def prompted_story(seed: int) -> str:
    """A request for a story with three of its words or about its hero, and the story."""
    return prompted(story(seed).text, Random(f"prompt {seed}"))


def talk(seed: int) -> str:
    """A short conversation between a user and an assistant about something of the world."""
    rng = Random(f"talk {seed}")
    return told("\n".join(rng.choice(TALKS)), _slots(rng), rng)


def question(seed: int) -> str:
    """A few facts, and a question that one of them answers."""
    rng = Random(f"question {seed}")
    slots = _slots(rng)
    asked = rng.sample(QUESTIONS, rng.randint(2, 3))
    facts = rng.sample([fact for fact, _, _ in asked], len(asked))
    _, words, answer = rng.choice(asked)
    return told(f"User: {' '.join(facts)} {words}\nAssistant: {answer}", slots, rng).replace(": a", ": A")


def documents(seed: int = 0) -> Iterator[str]:
    """Documents without end: stories, requests with their stories, talks, questions."""
    rng = Random(f"documents {seed}")
    number = seed << 32
    while True:
        (make,) = rng.choices((_text, prompted_story, talk, question), (0.55, 0.25, 0.1, 0.1))
        yield make(number)
        number += 1


def _text(seed: int) -> str:
    return story(seed).text
