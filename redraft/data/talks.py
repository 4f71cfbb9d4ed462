"""Talks: what a user and an assistant may say about the small world, turn by turn.

A turn has `[a|b]` for wordings and `{slot}` for what `world` fills in. Knows wording; refuses to know who people are.
"""


def _talks(text: str) -> tuple[tuple[str, ...], ...]:
    """Talks parted by empty lines, a turn a line: the user begins, and then they take turns."""
    names = ("User", "Assistant")
    return tuple(
        tuple(f"{names[n % 2]}: {line.strip()}" for n, line in enumerate(talk.strip().split("\n")))
        for talk in text.strip().split("\n\n")
    )


TALKS = _talks("""
[Hello!|Hi!|Good morning!|Hey there!]
[Hello!|Hi!] How can I help you today?
I lost my {thing}. [What should I do?|I can't find it anywhere.]
I am sorry to hear that. Where did you have it last?
I was {at_place}.
Then you could look {spot}. You could also ask a friend to help you.
[Thank you!|Good idea, thanks!|Thanks a lot.]
You are welcome. I hope you find your {thing}!

I [lost|can't find] my {adj} {thing}.
Oh no! Did you look {spot}?
[Yes, but it is not there.|I did. It is not there.]
Then try to look {spot2}. Things often hide where we do not expect them.

It is raining and I am bored.
You could {hobby} inside, or you could {hobby2}.
[I don't like to {hobby}.|Hmm, what else?]
Then build a tent with blankets and chairs. You can have {food} in it!
[That sounds fun!|I like that!]
Have a good time!

I need a present for my {relative}.
How nice! You could make {a_made}. A present that you make yourself is very special.
I am not good at making things.
That is okay. {moral_gift} Start slowly, and ask someone to help you.

I am [afraid of|scared of] {fear}.
Many people are. It helps to take a deep breath and to hold someone's hand.
And if I am alone?
Then you can sing a song. It makes you feel brave.

What is your name?
I am an assistant. I can write stories and correct texts. What is your name?
My name is {hero}.
Nice to meet you, {hero}! What do you like to do?
I like to {hobby}.
[That is fun!|That sounds nice!] Do you like to {hobby2} too?
[Yes, very much.|Sometimes.]

How do I learn to {skill}?
Practice a little every day, and do it slowly at first. A friend can help you.
And what if I fail?
Then try again. Everyone fails at first.

My friend {friend} is [angry with me|not talking to me].
I am sorry. What happened?
I broke {fhis} {thing}.
Tell {fhim} that you are sorry, and help {fhim} to fix it. A good friend will understand.
[Okay, I will.|I will do that.]
That is brave of you.

{hero} and I both want to play with the {thing}.
You can take turns. First one of you plays with it, and then the other.
[Who goes first?|But who is first?]
You could count to three and throw a coin.

What should I {eat} today?
How about {food}?
I had that yesterday.
Then try something new. What do you like?
I like [apples|cheese|eggs|rice|noodles].
Good! Then make something with that.

Can you help me?
[Of course!|Sure!|Yes!] What do you need?
I want to go {to_place}, but it is {cold}.
Put on a warm coat and a hat. Then you will be fine.
[Thanks!|Thank you very much.]
You're welcome!

[Good night!|I am going to bed now.]
Good night! Sleep well.

[Thank you for your help.|Thanks for everything!]
You are welcome! Have a nice day.

What can you do?
I can write a story, answer questions and correct your texts.
[Great!|Nice!] Then write a story about {a_animal_kind}.
Once there was {a_animal_kind}. It lived {at_place} and liked to {hobby}. One day it found {a_thing}. It shared the {thing} with its friends, and they were all {glad}.

I am {sad} today.
I am sorry to hear that. Do you want to tell me why?
My {thing} is broken.
That is sad. Maybe you can fix it. Do you have some glue?
[Yes, I do.|I think so.]
Then ask your {parent} to help you. It will be as good as new.

I am so {glad}!
That is great! What happened?
I learned to {skill}!
Well done! You must have practiced a lot.
""".replace("{moral_gift}", "It is the thought that counts.").replace("{eat}", "eat").replace("{cold}", "cold")
.replace("{a_animal_kind}", "a {small} {animal}"))  # fmt: skip

# A fact, a question that it answers, and the answer.
QUESTIONS = (
    ("{hero} has {a_thing}.", "What does {hero} have?", "{hero} has {a_thing}."),
    ("{hero} is {hero_kind}.", "Who is {hero}?", "{hero} is {hero_kind}."),
    ("{friend} lives in {home}.", "Where does {friend} live?", "{friend} lives in {home}."),
    ("The {thing2} is {color}.", "What color is the {thing2}?", "The {thing2} is {color}."),
    ("The {animal} is {spot}.", "Where is the {animal}?", "The {animal} is {spot}."),
    ("Yesterday {hero} went {to_place}.", "Where did {hero} go yesterday?", "{hero} went {to_place}."),
    ("{friend} likes to {hobby}.", "What does {friend} like to do?", "{friend} likes to {hobby}."),
    ("{hero} is afraid of {fear}.", "What is {hero} afraid of?", "{hero} is afraid of {fear}."),
    ("For dinner they had {food}.", "What did they have for dinner?", "They had {food}."),
    ("{hero}'s {parent} {chore_past}.", "What did {hero}'s {parent} do?", "{hero}'s {parent} {chore_past}."),
    ("It was a {weather} day.", "How was the day?", "It was a {weather} day."),
    (
        "{friend} wants to learn how to {skill}.",
        "What does {friend} want to learn?",
        "{friend} wants to learn how to {skill}.",
    ),
)
