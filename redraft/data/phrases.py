"""Tables of English beyond the single word: phrases and what learners make of them, families of words, small words.

Knows words. Refuses to know how they are put into a text.
"""

from redraft.data.lexicon import groups, words


def _phrases(table: str) -> dict[str, tuple[str, ...]]:
    """`right phrase: wrong one/another wrong one`, one a line."""
    rows = (line.split(":") for line in table.strip().split("\n"))
    return {right.strip(): tuple(wrong.strip() for wrong in others.split("/")) for right, others in rows}


PHRASES = _phrases("""
in my opinion: on my opinion/to my opinion/in my opinions/for my opinion/according to my opinion
in my view: on my view/for my view
for example: for exemple/by example/as example/as for example/for examples/in example
for instance: for instant/as instance/by instance
on the other hand: in the other hand/on other hand/at the other hand/in other hand/by the other hand
on the one hand: in the one hand/on one hand side
in addition: in addition to that/in addiction/in additional/an addition
in addition to: in addition/besides of
as well as: as well/as good as/and as well/aswell as
such as: such like/as such/such us/like such as
a lot of: alot of/a lots of/lot of/a lot/lots/many of
lots of: lot of/a lots of/lots
in order to: for to/in order for/in order/for
because of: because/because for/cause of/by cause of
due to: due/because to/do to/due of
according to: according/according with/accord to/according for
at the same time: in the same time/at same time/on the same time
in the future: in future/at the future/on the future/in the futur
in the past: at the past/in past/on the past
first of all: first all/firstly of all/at first of all/first at all
at first: in first/on first/at the first
in conclusion: to conclusion/for conclusion/as conclusion/in the conclusion/at conclusion
to sum up: to sum/in sum up/for sum up
as a result: as result/in result/as a results/by a result
in fact: infact/in the fact/on fact/as a fact
in general: in generally/on general/general
more and more: much and more/more/more or more
more than: more then/much than/more that
less than: less then/fewer then/less that
rather than: rather then/rather that/better than
better than: better then/more good than/better that
other than: other then/others than
the same as: the same like/same as/the same than
different from: different of/different than/different to/differ from
interested in: interested on/interesting in/interested about/interest in/interested for
depends on: depends of/depend on/depends in/depends
depend on: depend of/depend in/depends on/depend
good at: good in/good on/good for
afraid of: afraid from/afraid about/affraid of
aware of: aware about/aware that/aware on
responsible for: responsible of/responsible to/responsable for
capable of: capable to/capable for/able of
able to: able/capable to/possible to/ables to
used to: use to/was used to/used/used for
have to: has to/have/haves to/must to
has to: have to/has/must to
going to: going/gonna/go to/going for
want to: wants to/wanna/want/want that
wanted to: want to/wanted/was wanting to
need to: needs to/need/need for
would like to: would like/will like to/would to/like to
instead of: instead/in stead of/instead to/insted of
in front of: in front/in the front of/infront of/front of
next to: next/near to/nearby to
close to: close/close from/near to
thanks to: thank to/thanks for/thanks
kind of: kinds of/kind/sort
kinds of: kind of/kinds
type of: types of/type/kind
one of the: one of/one the/once of the
most of the: most the/most of/the most of/almost the
some of the: some the/some of
many of the: many the/many of
all of the: all the of/all of
part of: a part of/part/parts of
take care of: take care/care of/take care about/make care of
take part in: take part/make part in/take part at/participate at
pay attention to: pay attention/make attention to/pay attention on/give attention to
make sure: be sure/make sure of/do sure
make a decision: take a decision/do a decision/make decision
make mistakes: do mistakes/have mistakes/make mistake
make money: do money/win money/gain money
have fun: make fun/do fun/have funny/have a fun
have a good time: have good time/pass a good time/make a good time
spend time: pass time/spent time/waste time
spend money: pass money/spent money
get to know: know/get know/become to know
look for: look/look after/search
looked for: looked/looked after/searched
look at: look/look to/see at/watch at
looked at: looked/looked to/saw at/watched at
looking at: looking/looking to/seeing at
looking for: looking/looking after/searching
look forward to: look forward/look foward to/looking forward for
listen to: listen/hear to/listen at
listened to: listened/heard to/listened at
wait for: wait/wait to/waits
waited for: waited/waited to
think about: think/think on/think in/think of about
thought about: thought/thought on/thought in
talk about: talk/talk of/talk on/say about
talked about: talked/talked on/said about
talk to: talk/talk with to/speak
agree with: agree/agree to/am agree with/agree on
agree that: am agree that/agree/am agreed that
arrived at: arrived to/arrived/arrived in
arrive at: arrive to/arrive
went to: went/went at/go to/went in
come to: come/come at/come in
came to: came/came at/come to
go home: go to home/go at home/go to the home
went home: went to home/went at home/went to the home
go to school: go school/go to the school/go at school
at school: in school/at the school/on school
at home: in home/at the home/on home/home
at night: in the night/in night/on night
in the morning: at the morning/on the morning/in morning
in the evening: at the evening/on the evening/in evening
in the afternoon: at the afternoon/in afternoon
at the end of: in the end of/at end of/on the end of
in the end: at the end/on the end/in end
in the world: of the world/on the world/at the world/in world
around the world: all around of the world/around world/around the word
all over the world: in all over the world/all over world/over all the world
every day: everyday/all days/every days
these days: this days/in these days/those days
nowadays: now a days/nowdays/now days/in nowadays/nowaday
years ago: years before/ago years/year ago/years back
last year: the last year/in last year/last years
next year: the next year/in next year
years old: year old/years/years of old/years olds
a few: few/a little/a fews
a little: little/a few/a littles
so many: so much/so lot of/such many
so much: so many/so lot/such much
too much: too many/so much/much too
too many: too much/so many
how to: how/how can/how we/to how
what to do: what do/what to make/that to do
so that: so/for that/that so/so as
even if: even/if even/even though if/eventhough
even though: even/eventhough/even/though even
as long as: as long/so long as/until
as soon as: as soon/so soon as/soon as
as much as: as much/so much as/as many as
as many as: as many/so many as/as much as
as if: like if/as/like
not only: no only/not just only/only not
but also: but/also/but as well/and also
but not: but no/and no
no longer: not longer/no more longer/no long
no one: noone/no body/any one
each other: each others/each another/eachother/one other
by themselves: by themself/by their self/by them selves
by himself: by hisself/by him self/by his own
on their own: by their own/in their own/of their own
on my own: by my own/in my own
on your own: by your own/in your own
on time: in the time/at time/on the time
in time: on time/at time
at least: at less/at last/in least/atleast/at the least
at all: in all/on all/at whole
of course: off course/ofcourse/of cours/of coarse
a great deal of: great deal of/a big deal of/a great deal
a number of: number of/a numbers of/an amount of
the number of: the amount of/number of/the numbers of
large number of: big amount of/large numbers of/large amount of
amount of: number of/amounts of/ammount of
it is: its/is/it/it's is/it are
there is: there are/it is/is/there/is there/they is
there are: there is/there have/are/there/it are/they are
there was: there were/it was/was/there/there had
there were: there was/were/there/it were/there had
that is: that/is/that's is/what is
this is: this/is/that this is/these is
they are: they/there/their/they're are/are/they is
we are: we/were/we is/we're are
you are: you/your/you is/you're are
i am: i/i'm am/i is/am
i think: i thinks/i am think/i thing/think/i thought
i believe: i belive/i am believe/i beleave/i believes
i do not: i not/i no/i am not/i don't not
do not: not/are not/don't not/no/does not
does not: not/do not/is not/don't/doesn't not
did not: not/do not/was not/didn't not/don't
is not: not/is no/isn't not/does not/are not
are not: not/are no/do not/is not
was not: not/was no/did not/were not
will be: will/be/will is/would be/will being/will been
would be: would/will be/be/would been/would is
can be: can/be/can is/could be/can been/can being
could be: could/can be/could is/could been
should be: should/be/should is/must be/should been
must be: must/be/must is/must to be
may be: may/maybe/may is/be
has been: has/is/have been/was been/has being
have been: have/are/has been/were been/have being
had been: had/have been/was been/had being
it was: it/was/it were/it is/its was
who are: who/are/who is/which are/that is
who is: who/is/who are/which is/whose
which is: which/is/which are/that it is/witch is/who is
that are: that/are/that is/which is
will not: not/will no/don't/would not/wont
can not: not/can no/do not can/could not
would not: not/will not/would no/did not
up to: until to/up/to
out of: out/out from/off
away from: away/away of/far of
far from: far/far of/far away of
full of: full/full with/fill of
made of: made from/made by/did of/made
proud of: proud/proud for/proud with
tired of: tired/tired from/tired with
married to: married with/married/marry to
similar to: similar/similar with/similar as/like to
compared to: compared/compare to/comparing to/compared than
related to: related/relate to/related with
important for: important to/important/importance for
in charge of: in charge/at charge of/on charge of
on foot: by foot/on feet/with foot
by car: with car/in car/by the car/on car
by bus: with bus/in bus/by the bus
on the internet: in internet/in the internet/on internet/at the internet
on television: in television/on the television/in the tv
on the bus: in the bus/at the bus/on bus
the first time: first time/the first times/in the first time
for the first time: first time/in the first time/at the first time/for first time
the most important: most important/the more important/the importantest/the most importance
would have: would/would had/will have/would of
could have: could/could had/can have/could of
should have: should/should had/should of
""")
MOST_WORDS = max(phrase.count(" ") + 1 for phrase in PHRASES)

# Words of one root and different classes: each is put for every other.
FAMILIES = groups("""
success succeed successful successfully, achieve achievement, act action active activity, add addition additional,
advertise advertisement advertising, advice advise, agree agreement, appear appearance, argue argument, attract
attraction attractive, beauty beautiful beautifully, believe belief, beneficial benefit, bore boring bored, calm
calmly, care careful carefully careless, certain certainly, choice choose, clear clearly, comfort comfortable
comfortably, communicate communication, compare comparison, compete competition competitive competitor, complete
completely, concentrate concentration, confidence confident confidently, confuse confusion confusing, connect
connection, consider consideration, convenience convenient, correct correctly, courage courageous, create creation
creative creativity, culture cultural, curious curiosity, danger dangerous, decide decision, deep deeply depth, depend
dependent dependence, destroy destruction, develop development, differ different difference differently, difficult
difficulty, direct direction directly, disappoint disappointed disappointment, discover discovery, discuss discussion,
distance distant, ease easy easily, economy economic economical, educate education educational, effect effective
effectively, employ employee employment, encourage encouragement, energy energetic, enjoy enjoyment enjoyable, enter
entrance, environment environmental, equal equally equality, excite excitement exciting excited, exist existence,
expense expensive, experience experienced, explain explanation, express expression, fame famous, final finally, free
freedom freely, friend friendly friendship, general generally, generous generosity, grow growth, happy happiness
happily, harm harmful, health healthy, help helpful, high height highly, honest honesty, hope hopeful hopefully,
imagine imagination, immediate immediately, importance important, improve improvement, increase increasing
increasingly, independence independent independently, industry industrial, influence influential, inform information,
intelligence intelligent, interest interesting interested, introduce introduction, invent invention, invite
invitation, know knowledge, lazy laziness, lead leader leadership, live life living, lone lonely alone, long length,
lose loss lost, love lovely, luck lucky luckily, main mainly, mean meaning, medicine medical, nation national, nature
natural naturally, necessary necessarily necessity, nerve nervous, normal normally, obvious obviously, offer offering,
operate operation, organize organization, participate participation, patience patient patiently, peace peaceful
peacefully, perfect perfectly, perform performance, person personal personally, please pleasure pleasant, poison
poisonous, politics political politician, pollute pollution, popular popularity, possible possibility, power powerful,
practice practical, prefer preference, prepare preparation, produce product production, profession professional,
protect protection, proud pride, prove proof, quick quickly, quiet quietly, real really reality, reason reasonable,
receive receipt, recent recently, reduce reduction, relate relation relationship, relax relaxation, rely reliable,
religion religious, represent representation, respect respectful, responsible responsibility, sad sadness sadly, safe
safety safely, satisfy satisfaction, science scientific scientist, sense sensible, serious seriously, short shortly,
sign signal, significant significantly, simple simply, society social, solve solution, special specially, speech
speak, speed speedy, spirit spiritual, strong strength strongly, sudden suddenly, suggest suggestion, surprise
surprising surprised, teach teacher teaching, technology technological, think thought, tradition traditional, train
training, true truth truly, understand understanding, usual usually, value valuable, vary various variety, violence
violent, visit visitor, warm warmth, wealth wealthy, weigh weight, wide widely, wise wisdom, wonder wonderful, work
worker, young youth, angry anger angrily, brave bravery bravely, kind kindness kindly, loud loudly, slow slowly, soft
softly, gentle gently, excited excitedly, careful carefully, happily happy, hungry hunger, thirst thirsty, noise
noisy, sleep sleepy asleep, dark darkness
""")

# Put where nothing needs them: before the word, and after it.
EMPHASIS = words("very more most so really too quite also just always only even much")
ADJECTIVES = words("""
good bad big small happy sad easy difficult important beautiful useful dangerous strong better worse hard high low new
old young different interesting expensive healthy famous great large long short nice poor rich safe simple special
""")
AUXILIARIES = words("is are was were be been am have has had will would can could should do does did")
MODALS = {
    "will": ("would", "can", "shall"), "would": ("will", "could", "should"), "can": ("could", "may", "will"),
    "could": ("can", "would", "might"), "may": ("can", "might", "maybe"), "might": ("may", "could"),
    "should": ("would", "must", "shall"), "must": ("should", "have to"), "shall": ("will", "should"),
    "is": ("was", "has", "be"), "are": ("were", "have", "be"), "was": ("is", "has", "had"), "were": ("are", "was"),
    "has": ("had", "is", "have"), "have": ("had", "are", "having"), "had": ("have", "has", "was"),
    "do": ("did", "are", "make"), "does": ("is", "did", "do"), "did": ("do", "was", "does"),
    "be": ("is", "are", "been", "being"), "been": ("be", "being"), "being": ("be", "been"),
}  # fmt: skip
JOINERS = {
    "and": ("or", "but", "so", "also", "then"), "but": ("and", "however", "so"), "so": ("and", "then", "that"),
    "because": ("so", "since", "as", "due to"), "or": ("and", "nor"), "if": ("when", "that", "weather"),
    "when": ("if", "while", "that"), "while": ("when", "during", "as"), "which": ("that", "who", "what"),
    "who": ("which", "that", "whom"), "that": ("which", "what", "so"), "where": ("which", "that", "when"),
    "than": ("then", "that", "as"), "as": ("like", "so", "than"), "then": ("than", "so"), "what": ("that", "which"),
    "although": ("despite", "but", "even"), "however": ("but", "although"), "therefore": ("so", "because"),
    "since": ("from", "because"), "until": ("till", "to"), "how": ("what", "that"),
}  # fmt: skip
