"""Plots: what can happen in the small world, beat by beat, each beat told in several ways.

A beat is one of its lines. `[a|b]` is one of several wordings, `{slot}` what `world` fills in, and a beat whose first
line is `?` is left out half of the time. Sentences begin in lower case; `world` gives them their capitals. Knows
wording; refuses to know who the people are.
"""


def _plot(text: str) -> tuple[tuple[str, ...], ...]:
    """Beats parted by empty lines, a wording a line."""
    return tuple(tuple(line.strip() for line in beat.strip().split("\n")) for beat in text.strip().split("\n\n"))


OPENINGS = _plot("""
[once upon a time|once|a long time ago|one day], there was {hero_intro}.
[once upon a time|once], in {home}, there lived {hero_intro}.
{hero} was {hero_kind} who lived in {home}.
{hero_intro} lived [in|not far from] {home} with {his} {parent}.
there was once {hero_intro} who liked to {hobby}.

?
{hero} was very {trait} and liked to {hobby} [every day|all day long|more than anything|after breakfast].
everyone said that {hero} was {trait}. {he} liked to {hobby} and {hobby2}.
{he} was {trait}, and {he} loved to {hobby}.
{hero} had a {friend_word} [named|called] {friend}. [they did everything together|they played together almost every day|{friend} was {ftrait}].
{his} best friend was {friend}, {friend_kind}. they liked to {hobby} together.
""")

ENDINGS = _plot("""
?
from that day on, {hero} {lesson}.
{hero} [learned|had learned] that {moral}.
"{moral_said}," said {his} {parent}, and {hero} [nodded|smiled|knew it was true].
that night, {hero} thought about it in bed. {he} knew that {moral}.
and {hero} never forgot that {moral}.

they [all went home|went home together] and had {food}.
{hero} went to bed [happy and tired|with a smile|very happy] that night.
{hero} and {friend} were best friends [from then on|ever after|for a long time].
it was [the best day of the week|a very good day|a day to remember].
the sun went down, and everyone was [happy|glad|content].
{hero} gave {friend} a big hug. they laughed all the way home.
and they all [had|shared] {food} together.
"what a [day|lovely day]!" said {hero}, and [everyone agreed|they all laughed].
""")
# What may stand between two beats; those of `they` where there are two.
ALONE = _plot("""
the [sun was|birds were] [up early|out] that day, and the air [smelled of {smell}|was {weather}].
the sky was [blue and clear|full of white clouds|as {color} as a {thing2}].
a {color} butterfly [flew past|sat on a flower|danced in the air].
{he} could hear [the birds|the wind|children laughing|a dog barking|water running] [far away|not far from there|somewhere].
{hero} [took a deep breath|scratched {his} head|rubbed {his} nose|closed {his} eyes for a second].
"hmm," said {hero}, "[I wonder what will happen|this is strange|let me think|what a day]."
{his} tummy made a funny sound. {he} had only eaten [an apple|a piece of bread|two cookies] that morning.
{he} hummed a [little|funny|quiet] song about {an_animal}.
it smelled like {smell}, and {hero} thought of {food}.
on the way, {he} saw {an_animal} [asleep in the sun|on a fence|chasing its tail|with a leaf on its head].
{his} {relative} always said, "[every day is a gift|look before you jump|a smile costs nothing|little by little]."
[leaves fell from the trees|little drops shone on the grass|a soft wind blew through the trees].
{he} wore {his} {color} coat that day, because {color} was {his} favorite color.
[one, two, three|step by step|tip, tap, tip, tap], {he} went on.
the [clock|bell] in the village [rang|struck] [two|three|four|ten] times.
"[hello there|good day|hi], little {animal}," {hero} said to {an_animal} that sat {spot2}.
{hero} counted [the clouds|the flowers|the stones|{his} fingers]: one, two, three, four, five.
{he} remembered how {his} {relative} had once {chore_past} all day without a word.
nobody else was [around|there|awake yet]. it was [very quiet|as quiet as a mouse].
{his} {thing2} was in {his} pocket, just in case.
an old [man|woman] with a long coat [waved at {him}|smiled|walked by with a small dog].
{hero} thought about it for [a while|a minute|a long time].
there was [mud on {his} shoes|a leaf in {his} hair|sand between {his} toes], but {he} did not mind.
a [train|cart|boat] [went by|passed], and {hero} waved.
""")[0]
TOGETHER = _plot("""
"[look|listen|wait]," said {friend}. "do you [see|hear] that {animal}?" they stood still until it was gone.
{friend} told a joke about a {animal}, and {hero} laughed [out loud|so hard that {his} tummy hurt].
"are you [hungry|thirsty|tired|cold]?" asked {friend}. "[a little|not really|yes, very]," said {hero}.
{friend} had {food} in {fhis} bag. they ate it {spot2}.
they [raced|ran|skipped] to the next tree. {friend} [won|was faster], but {hero} did not mind.
{friend} picked up a {color} [leaf|stone|feather] and put it in {fhis} pocket.
"[what would you do if|do you think] you could fly?" asked {friend}. "I would [fly over the sea|sit on a cloud|visit my {relative}]," said {hero}.
they walked side by side and did not say anything for a while.
{friend} sang a song, and {hero} [sang along|clapped {his} hands|danced a little].
"I like your {thing2}," said {friend}. "you can hold it [if you want|for a while]," said {hero}.
{hero} and {friend} looked at each other. they both had the same thought.
"you are {trait}," said {friend}. {hero} did not know what to say, so {he} smiled.
""")[0]

# Wordings that may stand for one another anywhere in the world.
SWAPS: dict[str, tuple[str, ...]] = {
    "cried": ("called out", "cried", "shouted"), "very": ("really", "very", "very", "so"),
    "a long time": ("hours", "a long while", "a very long time"), "began to": ("started to", "began to"),
    "saw": ("noticed", "saw", "saw"), "so scared": ("very frightened", "terribly afraid", "so scared"),
    "at last": ("finally", "in the end", "at last", "after a long while"), "suddenly": ("all of a sudden", "just then"),
    "an idea": ("a clever idea", "a plan", "an idea", "a good idea"),
    "one day": ("one day", "one morning", "one afternoon", "on a Monday", "one Sunday", "last summer", "one fine day"),
    "was gone": ("had vanished", "was missing", "was gone"),
    "ran": ("hurried", "ran", "rushed"),
    "took a deep breath": ("swallowed hard", "took a deep breath", "bit {his} lip"),
    "laughed": ("giggled", "laughed", "laughed"), "loved": ("liked", "loved", "adored"),
    "beautiful": ("lovely", "wonderful", "beautiful"), "softly": ("gently", "kindly", "softly", "in a quiet voice"),
    "walked": ("wandered", "walked", "strolled"), "angry": ("cross", "mad", "angry"),
    "scary": ("frightening", "scary", "bad"), "everyone": ("everybody", "everyone"),
    "went to bed": ("fell asleep", "went to bed", "lay in bed"),
    "proud": ("happy", "proud", "pleased"), "smiled": ("grinned", "smiled", "smiled", "beamed"),
    "every day": ("every single day", "each day", "every day"),
    "found": ("found", "came upon", "discovered"),
    "new": ("new", "brand new"), "big": ("big", "huge", "large", "great"),
    "whispered": ("whispered", "said softly", "mumbled"),
}  # fmt: skip

PLOTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "lost": _plot("""
{hero} had {a_thing}. {it_was} {his} favorite [thing in the world|toy|treasure]. {he} took it everywhere.
{his} {relative} had given {him} {a_thing}. {he} [loved it|kept it close|showed it to everyone].
more than anything, {hero} loved {his} {thing}. it was {adj} and {adj2}.

one [morning|afternoon|day], {hero} went {to_place}. {he} [played|ran|walked] there [for a long time|until lunch].
one {weather} day, {he} took {the_thing} {to_place}. {he} [put it down|set it on the ground] to {hobby}.
then, one {weather} [morning|day], {hero} and {friend} went {to_place} to {hobby}.

when it was time to go [home|back], the {thing} was [gone|not there|nowhere to be seen]!
[suddenly|after a while], {hero} saw that {his} {thing} was gone. {his} heart [sank|began to beat fast].
but then {he} could not find {the_thing} anymore. "oh no!" {he} [cried|said]. "where is my {thing}?"

{hero} looked {spot}. {he} looked {spot2}. [nothing|but it was not there|no {thing}]!
{he} looked {spot}, but it was not there. {he} looked {spot2}, but it was not there either.
{hero} felt {sad}. {he} [sat down|sat on the ground] and began to cry.
"don't cry," said {friend}. "we will look for it together." They looked {spot} and {spot2}.

?
"[what is wrong|why are you so {sad}|what happened], {hero}?" asked {friend}. "I lost my {thing}," {hero} said.
{friend} saw that {hero} was {sad}. "I will help you," {fhe} said.
a {animal} [came by|was watching]. "I saw something {adj} {spot3}," [it seemed to say|said the {animal}].

then {friend} [looked|peeked] {spot3}. "I found it!" {fhe} [called|shouted|cried].
at last they looked {spot3}. and there it was, the {adj} {thing}!
{friend} had an idea. "where did you [play|sit] last?" {fhe} asked. {hero} thought hard, and then {he} ran to look {spot3}. the {thing} was there!

{hero} was so {glad} that {he} [jumped|danced] up and down. "thank you, {friend}!" {he} said.
"thank you! you are [a good friend|the best friend]," {hero} said, and {he} held the {thing} tight.
{hero} picked it up and [smiled|laughed]. {he} was {glad} again.
"""),
    "want": _plot("""
one day, {hero} saw {a_thing} in {shop}. {he} [wanted it very much|could not stop looking at it|thought it was the best {thing} of all].
{friend} had {a_thing}. {hero} wished that {he} had one too.
for a long time, {hero} had wanted {a_thing}.

"can I have it, [please|please, please]?" {he} asked {his} {parent}.
{he} asked {his} {parent} for the {thing}. "please!" {he} said.
{hero} ran to {his} {parent}. "I want {a_thing}!" {he} said.

"{not_today}," said {his} {parent}. "[but if you help|but when you help], we will see."
"it costs a lot of money," {his} {parent} said. "you can [work for it|help me and save your coins]."
{his} {parent} [smiled|shook {phis} head]. "you must wait," {phe} said. "good things take time."

at first {hero} was {sad}. but then {he} had an idea.
{hero} [thought about it|sat down to think]. {he} wanted to try.
{he} was {sad} for a little while, but {he} did not give up.

every day, {he} {chore_past} and {chore_past2}. {he} put {his} coins in a [jar|small box|tin].
so {hero} {chore_past} in the morning and {chore_past2} in the afternoon. it was hard work.
{friend} came to help. together they {chore_past} and {chore_past2}.

?
some days {he} was tired and wanted to stop. but {he} thought of the {thing} and went on.
{his} {relative} saw how hard {he} worked. "well done," {rhe} said.
one week went by, and then another.

at last {he} had enough. {he} went to {shop} and bought the {adj} {thing}.
then one morning, there was a box on the table. inside was the {thing}! {hero} could not believe it.
"you worked so hard," said {his} {parent}, and gave {him} the {thing}.

{hero} [shared it with {friend}|let {friend} play with it too]. it was even more fun with two.
{he} was {glad}, and {he} took good care of it.
{hero} was proud. {he} had [earned it|done it all by {himself}].
"""),
    "fear": _plot("""
there was one thing that {hero} did not like. {he} was afraid of {fear}.
but {hero} had a secret. {he} was scared of {fear}.
{hero} was brave about most things, but not about {fear}.

one {weather} [day|evening], {friend} came to play. "let's go {to_place}!" {fhe} said.
one [evening|night], {hero} and {friend} were {at_place}. it was getting late.
"come with me {to_place}," said {friend} one day. {hero} wanted to go, but {he} thought of {fear}.

{hero} [stopped|stood still]. {his} [legs shook|heart beat fast|hands were cold]. "I can't," {he} [whispered|said].
"I am scared," {hero} said in a [small|quiet] voice. {he} wanted to run [home|away].
{hero} hid {spot}. {he} closed {his} eyes.

{friend} did not laugh. {fhe} took {his} hand and said, "it is okay to be scared. I will stay with you."
"I was scared of that too," said {friend}. "do you want to know what I did? I counted to [three|five|ten]."
{friend} [sat down beside {him}|came and sat next to {him}]. "let's be brave together," {fhe} said. "just one small step."

?
they took one step. then they took another.
"one, two, three," they counted. {hero} [took a deep breath|opened {his} eyes].
{hero} held {friend}'s hand very tight.

and then {hero} saw that {fear} [could not hurt {him}|was not so bad].
slowly, {hero} looked up. nothing bad happened. [nothing at all|not one bad thing]!
{hero} took a deep breath and went on. it was not so scary after all.

"I did it!" {he} shouted. {friend} clapped {fhis} hands.
{hero} felt [brave|proud|strong]. "let's do it again!" {he} said, and they both laughed.
"you see?" said {friend}. "you are braver than you think."
"""),
    "broken": _plot("""
{his} {relative} had {a_thing}. it was old and very special.
on the table there was {a_thing} that belonged to {his} {parent}.
{friend} had brought {fhis} new {thing} to {hero}'s house. it was {adj} and {adj2}.

"please be careful with it," [{he} was told|they all said to {hero}].
{hero} knew that {he} should not touch it. but it was so {adj} and {adj2}!
{hero} only wanted to hold it for a [moment|minute].

{he} picked it up and began to [run|dance|spin around]. [oops|oh no|bump]! it fell down and broke.
but it slipped out of {his} hands. crash! the {thing} was broken.
then {he} tripped over a [stone|toy|shoe], and the {thing} fell on the ground. it broke in two.

{hero} was {sad} and [afraid|ashamed]. {he} hid the pieces {spot}.
{hero} did not know what to do. should {he} [hide it|say nothing]?
{his} face turned red. {he} looked at the pieces and wanted to cry.

?
that night, {hero} could not sleep. {he} kept thinking about the {thing}.
"is something wrong, {hero}?" asked {his} {parent}. {hero} looked down at {his} feet.
"you should tell the truth," said {friend}.

at last {he} told the truth. "I broke the {thing}," {he} said. "I am so sorry."
{hero} took a deep breath. "it was me," {he} said. "I broke it. I'm sorry."
"I have to tell you something," {hero} said. and {he} told everything.

there was a [long|short] silence. then there was a [hug|smile]. "thank you for telling the truth," {his} {parent} said.
"I am a little sad," said {his} {parent}, "but I am glad you told me. we can fix it."
"everyone breaks something now and then," said {his} {parent}. "telling the truth was the brave thing to do."

they got some glue and fixed it together. it was not like new, but it was [still {adj}|good enough].
together they put the pieces back. {hero} held them while the glue got dry.
{hero} helped to make it whole again. {he} was very careful this time.
"""),
    "rescue": _plot("""
one {weather} day, {hero} was walking {to_place}. {he} heard a [small|strange|quiet] sound.
{hero} and {friend} were {at_place} when they heard a little cry.
one [morning|day], when {hero} was {at_place}, something moved {spot}.

it was a {small} {animal}! its [leg|foot] was stuck {stuck}.
{he} looked {spot} and found a {small} {animal}. it was cold and [hungry|wet|tired].
a {small} {animal} looked up at {him}. it had lost its mother.

"oh, you poor thing," said {hero}. "don't be afraid."
"I will help you, little {animal}," {hero} said softly.
the {animal} was [shaking|scared]. {hero} [sat down and waited|spoke to it softly] until it was calm.

{he} tried to help, but {he} could not do it alone. so {he} ran to get {friend}.
{hero} [thought hard|looked around]. then {he} saw a long stick. maybe that would help!
"wait here," said {hero}. {he} ran home and asked {his} {parent} for help.

together they [pulled and pushed|worked very gently], and at last the {animal} was free.
{friend} held the {animal} while {hero} [moved the branches away|gave it some water]. soon it felt better.
they put it in a [warm box|basket with a soft cloth] and gave it some {animal_food}.

?
the {animal} [ate and ate|slept for a long time]. the next day it was [strong|well] again.
the {animal} looked at {hero} as if to say thank you.
they named it {pet_name}.

then its mother came. she [had been looking everywhere|was so happy to see her little one].
when it was well, they let it go. it [ran|hopped] away, but it [came back|stopped] to look at them once more.
the {animal} stayed with {hero}, and they [played|slept side by side] every day.

{hero} was {glad}. {he} had helped someone who was small.
"you have a kind heart," said {his} {parent}.
after that, {hero} often went {to_place} to see if anyone needed help.
"""),
    "share": _plot("""
{hero} and {friend} were playing {at_place}. there was only one {thing}.
one day {hero} and {friend} found {a_thing} {at_place}.
{hero} brought {his} new {thing} {to_place}. {friend} wanted to play with it.

"I saw it first!" said {hero}. "no, I did!" said {friend}.
"it's mine!" {hero} [shouted|said]. {friend} [pulled|grabbed] one side of it.
"can I have a turn?" asked {friend}. "no," said {hero}. "it is mine."

they pulled and pulled. neither of them would let go.
{friend} was {sad} and walked away. {hero} was alone with the {thing}.
they were both angry. {friend} sat {spot}, and {hero} sat {spot2}.

?
{hero} played alone for a while. but it was not much fun.
{his} {parent} [came over|saw them]. "what is the matter?" {phe} asked.
a {animal} [ran by|looked at them] and they both forgot to be angry for a moment.

then {hero} had an idea. "you can have it first," {he} said, "and then it's my turn."
{hero} thought about how {friend} must feel. {he} went to {friend} and said, "I'm sorry. let's share."
"what if we play with it together?" asked {friend}. {hero} thought that was a good idea.

so they took turns. [first {friend}, then {hero}|one turn each], and then they played a new game with it.
they made a new game for two. it was [much better than before|so much fun].
they played with the {adj} {thing} until it was time to go home.
"""),
    "weather": _plot("""
today was the day of the picnic! {hero} had waited for it all week. {he} packed {food} and {a_thing}.
{hero} and {friend} wanted to go {to_place}. they packed {food} in a big bag.
one day {hero} and {his} {parent} made a plan to go {to_place}.

but when {he} looked out of the window, [dark clouds were in the sky|it was raining]. drip, drop, drip, drop!
but then the sky turned gray. it started to rain, and it rained [harder and harder|all morning].
just as they opened the door, there was a loud boom of thunder.

"oh no," said {hero}. "now we can't go." {he} was {sad}.
{hero} sat by the window and watched the rain. {he} felt {sad}.
"it's not fair!" {hero} said, and {he} [stamped {his} foot|threw down {his} bag].

"we can still have fun," said {friend}. "let's have our picnic inside!"
{his} {parent} had an idea. "what if we have the picnic [on the floor|under the table]?" {phe} said.
{hero} thought for a while. then {he} smiled. "we can make a [tent|house] out of blankets!"

they put a blanket on the floor and [sat down|laid out the food]. they ate {food} and told stories.
they built a tent with [two chairs and a sheet|pillows and a blanket] and ate {food} inside.
they {hobby_past} in the house and laughed at the rain.

?
the rain went tap, tap, tap on the roof. it sounded like music.
then the rain stopped, and there was a rainbow. "look!" cried {friend}.
when the sun came out again, they ran outside to jump in the puddles.
"""),
    "learn": _plot("""
{hero} wanted to learn how to {skill}. {friend} could do it very well.
one day {hero} saw {friend} {skill_ing}. "I want to do that too!" {he} said.
all {his} friends could {skill}, but {hero} could not.

{he} tried, but {failed}. {he} tried again, and [it was the same|it did not work].
the first time, {failed}. "[ouch|oh no]!" {he} said.
{he} tried and tried, but {failed} every time.

"I will never learn it," {he} said. {he} was {sad}.
{hero} wanted to give up. "it is too hard," {he} [said|cried].
{he} sat down {spot} and [did not want to try anymore|felt {sad}].

"I could not do it at first either," said {friend}. "you have to practice a little every day."
{his} {relative} [sat down|came and sat] beside {him}. "let me show you," {rhe} said. "slow is good."
"look," said {friend}. "first do it slowly. I will help you."

so {hero} practiced every [day|morning]. [on Monday {he} was a bit better|day by day {he} got better].
the next day {he} tried again, and the day after that too.
{hero} listened and watched. then {he} tried once more, very slowly.

?
one time {he} almost gave up, but {friend} said, "you can do it!"
it was not easy, but it was fun.

and then, one {weather} day, {he} could {skill}! "look at me!" {he} shouted.
at last it worked! {hero} could {skill} all by {himself}.
"I can do it! I can {skill}!" {hero} cried.

everyone clapped. {hero} was so {glad}.
{friend} cheered, and they both {skill_past} until dinner.
{his} {parent} was very proud of {him}.
"""),
    "gift": _plot("""
it was almost {his} {relative}'s birthday. {hero} wanted to give {rhim} something special.
{hero} wanted to make a surprise for {his} {relative}.
tomorrow was {friend}'s birthday, and {hero} did not have a present yet.

{he} had no money, so {he} decided to make {a_made}.
"I will make {a_made}," {he} thought. {he} got [paper and paint|everything {he} needed].
"what can I give?" {he} asked {his} {parent}. "something you make with love," {phe} said. so {hero} made {a_made}.

{he} worked very hard. but then [the cat jumped on the table|{he} knocked over a glass of water], and it was ruined!
but when it was [almost ready|done], {he} dropped it on the floor. oh no!
it took all [day|afternoon]. but it did not look the way {he} wanted. it was a little bit crooked.

{hero} was {sad}. {he} did not have time to make [another one|a new one].
a tear ran down {his} cheek. "now I have nothing to give," {he} said.
{he} wanted to throw it away.

{friend} [came in|saw it] and said, "I think it is beautiful. let's fix it together."
"it's the thought that counts," said {his} {parent}. "let me help you."
then {he} had an idea. {he} put a {color} ribbon on it, and it looked much better.

the next day, {hero} gave the present. "[did you make this|is it for me]? I love it!" was the answer.
"it is the best present ever!" {hero} was told, and {he} got a big hug.
when the present was opened, there was a big smile. "thank you, {hero}!"
"""),
    "newcomer": _plot("""
one day, a new family moved in next door. they had {new_kind} [named|called] {friend}.
there was someone new {at_place}. it was {friend}, {friend_kind}.
{hero} was {at_place} when {he} saw {friend} for the first time. {friend} was [sitting alone|all alone].

{friend} was shy and did not say anything.
{friend} looked {sad}. {fhe} did not know anyone.
no one played with {friend}. {fhe} stood {spot} and watched.

{hero} remembered how it felt to be alone. so {he} [went over|walked over] and said, "hello! I am {hero}."
"hi," said {hero}. "do you want to {hobby} with me?"
{hero} had {a_thing}. {he} held it out to {friend}. "do you want to play?" {he} asked.

at first {friend} [did not answer|looked at {fhis} feet]. then {fhe} smiled a little.
"[yes, please|really? yes]!" said {friend}. {fhis} eyes were bright.
"my name is {friend}," {fhe} said very quietly.

they {hobby_past} together all [day|afternoon]. {friend} knew [a funny song|many good games].
{hero} showed {friend} the best places. they looked {spot2} and climbed a tree.
{friend} showed {hero} {fhis} {adj} {thing2}, and they played with it until dinner.

"will you come again tomorrow?" asked {hero}. "yes!" said {friend}.
when it got dark, they did not want to go home. "see you tomorrow!" they said.
that evening, {hero} told {his} {parent}, "I have a new friend."
"""),
    "warning": _plot("""
"don't go {to_danger}," {his} {parent} always said. "[it is not safe|it is dangerous]."
{his} {parent} told {him} to stay away from {danger}.
there was one rule. no one was allowed to go {to_danger} alone.

but {hero} was curious. one {weather} day, {he} [went there anyway|went to look].
"I only want to have a quick look," thought {hero}. so {he} [walked|ran] {to_danger}.
one day {he} followed {an_animal} and forgot the rule. soon {he} was close to {danger}.

at first it was fun. then {he} [slipped|fell down], and {his} foot was stuck.
suddenly it was [dark|very quiet]. {hero} did not know the way back.
there was a loud noise! {hero} was so scared that {he} could not move.

"help!" {he} called. "[can anyone hear me|is anyone there]?"
{hero} began to cry. {he} wished {he} had listened.
{he} called and called, but no one came for a long time.

luckily, {friend} heard {him}. {fhe} ran to get help.
then {he} heard a voice. it was {friend}! "stay there! I will get your {parent}," {fhe} called.
{friend} had seen {him} go and had told {his} {parent}.

{his} {parent} came and [took {his} hand|picked {him} up]. "you are safe now," {phe} said.
soon {his} {parent} was there and held {him} tight. {phe} was not angry, only glad.
it took a while, but they got {him} out.

"I am sorry," said {hero}. "next time I will listen."
"I should have listened to you," {hero} said. {his} {parent} [nodded|gave {him} a kiss].
"""),
    "mystery": _plot("""
one day, {hero} found something strange {spot}. it was {adj}, and it had no name on it.
one {weather} morning there was a box {at_place}. "[what could be inside|whose is it]?" thought {hero}.
{hero} heard a funny noise {spot}. tap, tap, tap! what could it be?

{he} showed it to {friend}. "maybe it is [a treasure|magic]!" {fhe} said.
"let's find out," said {friend}, who had come to {hobby}.
{hero} ran to get {friend}. they looked at it from all sides.

"maybe it belongs to a [king|giant|pirate]," said {hero}. "or to {an_animal}," said {friend}.
they asked {his} {parent}, but {phe} did not know. they asked {his} {relative}, but {rhe} did not know either.
they thought and thought. they [made a list|drew a picture] of everything it could be.

?
then they saw small footprints. they went from the [door|gate] {to_place}.
"look, there is a [small note|letter] on it!" {friend} said.

at last they opened it very slowly. inside was {a_thing}!
they followed the footprints and found {an_animal} with {a_thing}.
and then they understood. it was {a_thing} that someone had lost.

they found out that it belonged to {his} {relative}. "[you found it|there it is]! I looked for it for years," {rhe} said.
"I hid it for you," said {his} {relative} with a wink. "it is a surprise."
they took it to {his} {relative}, who was very {glad}. "thank you, both of you," {rhe} said.
"""),
}
