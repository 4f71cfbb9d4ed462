"""Small tables of English: misspellings, irregular forms, words taken for one another.

Knows words. Refuses to know how they are put into a text.
"""


def words(text: str) -> frozenset[str]:
    """The words of a text, as a set."""
    return frozenset(text.split())


def _pairs(table: str) -> dict[str, tuple[str, ...]]:
    """`right wrong wrong, right wrong`: every right word to its wrong ones, '_' for a space inside one."""
    wrong: dict[str, tuple[str, ...]] = {}
    for entry in table.split(","):
        right, *others = entry.split()
        wrong[right] = wrong.get(right, ()) + tuple(word.replace("_", " ") for word in others)
    return wrong


def groups(table: str) -> dict[str, tuple[str, ...]]:
    """`a b c, d e`: every word of a group to the others, '_' for a space inside one."""
    others: dict[str, tuple[str, ...]] = {}
    for entry in table.split(","):
        group = [word.replace("_", " ") for word in entry.split()]
        for word in group:
            others[word] = others.get(word, ()) + tuple(other for other in group if other != word)
    return others


MISSPELLINGS = _pairs("""
absence absense abscence, acceptable acceptible, accidentally accidently accidentaly, accommodate accomodate
acommodate, accommodation accomodation, accomplish acomplish, according acording, achieve acheive achive, achievement
acheivement achievment, acknowledge aknowledge, acquire aquire, across accross acros, actually actualy acctually,
address adress, addition adition addtion, advantage advantege advantadge adventage, advantages advanteges,
advertisement advertisment advertisemant advertisment, advertisements advertisments advertisment, advertising
advertizing, advice advise, afraid affraid, against againest agaist, aggressive agressive, allowed alowed, almost
allmost, already allready alredy, although altough allthough althought, always allways alway alwas, amateur amature,
among amoung, amount ammount, analysis analisis, annual anual, another anouther anther, answer anwser awnser,
apparently apparantly apparentely, appearance apperance appearence, appreciate apreciate appriciate, approach aproach,
argument arguement, around arround aroud, article artical, assistance assistence, athlete athelete, attention
atention, attitude attitute, attract atract, available avaliable availible avalable, average avarage, basically
basicly, beautiful beatiful beautifull beutiful, because becouse becuase becaus beacause becase, become becom, before
befor bifore, beginning begining beggining, behavior behavor behaviur, behaviour behavour, being beeing, belief
beleif, believe beleive belive, believed beleived belived, benefit benifit benefite, benefits benifits, better beter,
between beetween betwen, business buisness bussiness busines, calendar calender, careful carefull, carefully carefuly,
category catagory, cause couse, ceiling cieling, certain certein, certainly certainally, challenge chalenge challange,
change chenge chang, character charachter caracter, chief cheif, children childern childrens chidren, choice choise,
choose chose choos, clothes cloths clothe, colleague collegue coleague, college collage colledge, coming comming,
commercial comercial, commitment committment, committee commitee comittee, common comon, communicate comunicate,
communication comunication, communities comunities communitys, community comunity commuinity, company compagny
campany, companies companys campanies, compared compaired, competition compitition, complete compleate, completely
completly completley, concentrate consentrate, concept consept, conclusion conclution conclusin, condition condision,
confidence confidance, conscience concience, conscious concious, consider concider, considered concidered, consumer
consummer, continue continu, convenient convinient convenent, correct corect, country contry countrie, countries
contries countrys, course corse, create creat, criticism critisism, curiosity curiousity, customer costumer custumer,
customers costumers, daily dayly, danger denger, dangerous dangerus dangerouse, decide deside, decided desided,
decision desicion decission, definitely definately definitly defiantly, definition defenition, depend depand, describe
discribe, desperate desparate, destroy distroy, develop develope devlop, developed developped devloped, developing
developping, development developement devlopment, difference diffrence differance, differences diffrences, different
diffrent differnt diferent, difficult dificult diffcult, difficulties dificulties, disappear dissapear, disappoint
dissapoint, disappointed dissapointed, discipline dicipline, discover discovery discovor, discuss discus, disease
desease, doctor docter, during durring duering, easier easyer, easily easly easilly, economic economical economik,
economy econmy, education educaton educasion, effective efective, effort efort, eighth eigth, either ether eather,
embarrass embarass, encourage incourage, energy enegy, engineer enginer, enjoy injoy enjoi, enough enogh enought,
entertainment entertainement, environment enviroment enviorment, environmental enviromental, equipment equiptment,
especially especialy expecially espically, etc ect, even evan, everybody everbody, every evry evrey, everyone everone
everyon, everything everthing everyting, exactly exactely, exaggerate exagerate, example exemple exampel, examples
exemples, excellent excelent exellent, except exept, exercise excercise exersise, exist excist, existence existance,
expect exspect, expensive expencive, experience experiance expierence, experiences experiances, explain explane,
extremely extremly extreamly, facilities fasilities, familiar familar, family famely familly, famous famouse,
fascinating facinating, favorite favorit favourit, february febuary, field feild, finally finaly finnaly, financial
finacial, finish finsh, first frist fisrt, focus foucs, foreign foriegn foreing, forty fourty, forward foward, fourth
forth, freedom fredom, friend freind frend, friends freinds frends, fulfill fullfil, future futur futuer, generally
generaly, generation genaration, generations genarations, gentlemen gentelmen, government goverment govermant, grammar
grammer, grateful greatful, guarantee garantee guarentee, guard gard, guess gess, guidance guidence, guide giude,
habit habbit, happen hapen, happened happend, happiness happyness hapiness, happy happey, harass harrass, health
helth, heard herd, height hieght heigth, helpful helpfull, history histery, hospital hospitel, however howerver
howevr, human humen, humorous humourous, hundred hundread, idea idia, ideas idears, imagine imagin, imagination
imagenation, immediately immediatly imediately, importance importence, important importent imporant, impossible
imposible, improve improove, improvement improvment, increase increace, increasing increaseing, independent
independant, individual individul indivisual, individuals individuls, industry indestry, influence influance,
information informations imformation, intelligent inteligent intellegent, interest intrest, interested intrested,
interesting intresting interessting, interrupt interupt, invite invit, island iland, jealous jelous, judgment
judgement, kindergarten kindergarden, kitchen kichen, knew new, know konw no, knowledge knowlege knowlegde knowladge,
known knowen, laboratory labratory, language langauge languege, later latter, laugh laught, learn lern, learned learnt
lerned, learning learing lerning, leisure liesure, length lenght, library libary, license lisence, life live lief,
lightning lightening, likely likley, literature litterature, little litle, lively livly, loneliness lonelyness, lonely
lonley, lose loose, losing loosing, lying lieing, maintain mantain, maintenance maintainance, making makeing,
management managment, manufacture manifacture, many meny, marriage marrige, material meterial, maybe may_be, meaning
meanning, medicine medecine, medieval midieval, memory memmory, million milion, minute minite, mischievous
mischevious, missing mising, modern moderne, money mony, month mounth, morning moring, most must, mother mather,
natural naturel, nature natur, necessarily necessarly, necessary neccessary necesary, neighbor nieghbor, neighbour
nieghbour, neither niether, nervous nervouse, never nerver, nineteen ninteen, ninety ninty, noticeable noticable,
nowadays nowdays now_a_days nowaday, obviously obviosly, occasion ocasion occassion, occur occure ocur, occurred
occured, occurrence occurence, often offen, opinion opinoin openion opion, opportunity oppurtunity opportunaty,
opportunities oppurtunities opportunitys, opposite oposite, original orignal, other outher, ourselves ourselfs,
parents parants, particular particuler, particularly particulary, passed past, pastime passtime, peace peice, people
peaple poeple peopel, perform preform, perhaps perhabs, permanent permanant, person persone, personal personnal,
personally personaly, persuade pursuade, phenomenon phenomenom, phone fone, physical phisical, picture pictuer, piece
peice, pleasant plesant, pleasure plesure, pollution polution, popular populer, population populaton, position
posision, positive positiv, possess posess, possession posession, possibility posibility, possible posible, potatoes
potatos, practical practicle, practice practise, precede preceed, prefer perfer prefere, preferred prefered, prepare
prepair, presence presense, pressure presure, pretty prety, previous previus, prince prinse, principal principle,
prison prision, privilege priviledge privelege, probably probaly probly propably, problem probleme problam, problems
probloms problams, procedure proceedure, proceed procede, process proccess, product prodact, products prodacts,
profession proffession, professional profesional, professor proffesor, program progam, project projet, promise
promiss, pronunciation pronounciation, psychology psycology, public publick, publicly publically, purpose porpose,
quality qualety, question qestion, quick qick, quiet quite, quite quiet, rather rader, realize relize, really realy
relly, realy really, reason reson, reasons resons, receipt reciept, receive recieve, received recieved, recently
recentely, recognize reconize, recommend recomend reccomend, reference refrence, referred refered, relationship
relatonship, relationships relatonships, relevant relevent, relief releif, relieve releive, religious religous,
remember remeber rember, repeat repet, repetition repitition, require requier, research reserch, resources ressources
resourses, responsibility responsability, responsible responsable, restaurant restaurent resturant, rhythm rythm,
ridiculous rediculous, right rigth, safety safty, said sayed, satisfied satisfyed, schedule shedule, school scool
shcool, science sience scince, scientific sientific, scientist sientist, scientists sientists, secondary secondery,
secret secrat, secretary secratary, security securety, seize sieze, sense sence, sentence sentance, separate seperate,
separated seperated, serious seriuos, service servise, services servises, several severel sevral, shining shinning,
short shor, should shoud shuld, shoulder sholder, significant signifigant, similar similer simular, simple simpel,
sincerely sincerly, situation situaton sitution, situations sitiuations, skill skil, skills skils, society sociaty
socity, soldier solider, some som, someone somone, something somthing someting, sometimes sometime somtimes, soon son,
special spacial, specialist specalist, specific spesific, specifically specificly, speech speach, spend spent,
statement statment, still stil, stopped stoped, strange stange, strategy stratagy, strength strenght, strong stronge,
student studant, students studants studens, studied studyed, studies studys, study studdy, studying studing, subject
subjet, succeed succed, success sucess succes, successful successfull sucessful, successfully sucessfully, sufficient
suficient, suggest sugest, support suport, supposed suposed, sure shure, surely surly, surface surfase, surprise
suprise surprize, surprised suprised, survive servive, system sistem, teacher techer, teachers techers, teaching
teatching, technique tecnique, technology tecnology technolgy, temperature temprature, temporary temperary, that taht,
their thier, themselves themselfs themself, therefore therfore therefor, these thease, they thay, thing think, things
thinks thigs, think thing thinck, thinking thinging, though thought, thought though, thousand thousend, through
throught thru trough, together togather togheter, tomorrow tommorow tomorow, tonight tonite, tourism turism, tourist
turist, tradition tradision, traditional traditionnal, traffic trafic, transfer transfere, transportation
transpotation, travel travle, traveling travling, tried tryed, tries trys, trouble truble, truly truely, trying
triing, twelfth twelth, understand undrestand understant, understanding undrestanding, unfortunately unfortunatly,
unique uniqe, university univercity univeristy, unnecessary unneccessary, until untill, useful usefull, using useing,
usually usualy usally, vacation vacasion, vacuum vaccum, valuable valueable, variety verity, various varius, vegetable
vegtable, vegetables vegtables, vehicle vehical, vehicles vehicals, very vary verry, village vilage, visible visable,
want wont, was whas, way whay, weather wether, wednesday wensday, week weak, weird wierd, welcome wellcome, well wel,
were where, when wen, where were wher, whereas where_as, whether wheter wether, which wich whitch, while wile, whole
hole, whose who's, wonderful wonderfull, work wark, worker wroker, workers wrokers, world wold wrold, would woud wold,
writing writting, written writen, wrong worng, year yaer, years yers, yesterday yestarday, young yong yung, your
youre, yourself yourselfe
""")

HOMOPHONES = groups("""
their there they're, its it's, to too, to two, your you're, than then, affect effect, affects effects, accept except,
advice advise, allowed aloud, are our, bare bear, brake break, buy by, by bye, cite site, coarse course, complement
compliment, desert dessert, die dye, fair fare, feel fill, flour flower, for four, hear here, heard herd, hole whole,
hour our, knew new, know no, later latter, lead led, lessen lesson, live leave, loose lose, loses looses, made maid,
mail male, meat meet, no know, of off, one won, passed past, peace piece, personal personnel, plain plane, practice
practise, pray prey, principal principle, quiet quite, rain reign, raise rise, right write, role roll, sail sale,
scene seen, sea see, sell sale, sight site, some sum, son sun, stationary stationery, steal steel, tail tale, their
they, then than, threw through, thorough through, though thought, waist waste, wait weight, want won't, way weigh,
weak week, wear where, weather whether, were where, we're were, which witch, who's whose, wood would, worse worst, lay
lie, breath breathe, cloth clothe, bath bathe, choose chose, find fine, this these, live life, belief believe, lives
lifes, felt fell, safe save, prove proof, think thing, things thinks, sit set, fun funny, form from, an and, or our,
as us, then them, he her, where we're, has his, it is, most must, any many, ever every
""")

CONFUSABLES = groups("""
say tell, says tells, said told, say speak, speak talk, make do, makes does, made did, making doing, much many, other
another, other others, few little, fewer less, bring take, borrow lend, learn teach, learned taught, listen hear, look
see, look watch, see watch, job work, travel trip, hope wish, rob steal, win beat, win earn, gain earn, get gain,
become get, become be, so such, very too, very so, very much, during while, between among, besides beside, beside
except, like as, such like, because because_of, despite although, despite in_spite, although but, also too, also
either, yet already, still yet, ago before, after later, still already, lonely alone, alive live, sensible sensitive,
economic economical, historic historical, classic classical, interesting interested, boring bored, exciting excited,
tiring tired, confusing confused, surprising surprised, satisfying satisfied, disappointing disappointed, depressing
depressed, amazing amazed, safe safety, success succeed, succeed successful, success successful, important importance,
different difference, difficult difficulty, dangerous danger, healthy health, free freedom, happy happiness, beautiful
beauty, possible possibility, able ability, able capable, true truth, strong strength, young youth, old elder,
possibility opportunity, chance opportunity, choice choose, decide decision, develop development, grow grow_up,
improve improvement, know knowledge, know understand, learn know, learn study, like want, need want, grow raise, rise
arise, find found, find look, found founded, remember remind, forget leave, let make, let allow, avoid prevent, cause
reason, reason cause, way mean, effort force, person people, human people, mankind human, every all, every each, both
either, all whole, hard hardly, late lately, near nearly, high highly, most almost, almost mostly, main mainly, each
every, specially especially, special specially, first firstly, last lastly, end finally, maybe may_be, sometimes
sometime, everyday every_day, anymore any_more, cannot can_not, cost price, price prize, actually now, high tall,
small little, small low, fast quick, quickly fast, good well, well good, bad badly, real really, easy easily, quick
quickly, usual usually, whose which, who which, which what, that what, what which, how what, where which, if whether,
so very, enough too, more most, less least, worse bad, better good, best better, than that, in_order_to for, could
can, may can
""")
# base: (past, participle)
IRREGULAR = _pairs("""
arise arose arisen, awake awoke awoken, beat beat beaten, become became become, begin began begun, bend bent bent,
bite bit bitten, bleed bled bled, blow blew blown, break broke broken, breed bred bred, bring brought brought, build
built built, burn burnt burnt, buy bought bought, catch caught caught, choose chose chosen, come came come, cost cost
cost, creep crept crept, cut cut cut, deal dealt dealt, dig dug dug, do did done, draw drew drawn, dream dreamt
dreamt, drink drank drunk, drive drove driven, eat ate eaten, fall fell fallen, feed fed fed, feel felt felt, fight
fought fought, find found found, flee fled fled, fly flew flown, forbid forbade forbidden, forget forgot forgotten,
forgive forgave forgiven, freeze froze frozen, get got got, give gave given, go went gone, grow grew grown, hang hung
hung, have had had, hear heard heard, hide hid hidden, hit hit hit, hold held held, hurt hurt hurt, keep kept kept,
kneel knelt knelt, know knew known, lay laid laid, lead led led, leap leapt leapt, learn learned learned, leave left
left, lend lent lent, let let let, lie lay lain, light lit lit, lose lost lost, make made made, mean meant meant, meet
met met, mistake mistook mistaken, overcome overcame overcome, pay paid paid, prove proved proven, put put put, quit
quit quit, read read read, ride rode ridden, ring rang rung, rise rose risen, run ran run, say said said, see saw
seen, seek sought sought, sell sold sold, send sent sent, set set set, sew sewed sewn, shake shook shaken, shine shone
shone, shoot shot shot, show showed shown, shrink shrank shrunk, shut shut shut, sing sang sung, sink sank sunk, sit
sat sat, sleep slept slept, slide slid slid, speak spoke spoken, spend spent spent, spin spun spun, split split split,
spread spread spread, spring sprang sprung, stand stood stood, steal stole stolen, stick stuck stuck, sting stung
stung, strike struck struck, strive strove striven, swear swore sworn, sweep swept swept, swell swelled swollen, swim
swam swum, swing swung swung, take took taken, teach taught taught, tear tore torn, tell told told, think thought
thought, throw threw thrown, understand understood understood, undertake undertook undertaken, upset upset upset, wake
woke woken, wear wore worn, weave wove woven, weep wept wept, win won won, wind wound wound, withdraw withdrew
withdrawn, write wrote written
""")

REGULAR_VERBS = tuple(
    sorted(
        words("""
accept achieve act add admit advertise affect agree aim allow announce answer appear apply argue arrange arrive ask
assume attack attend attract avoid base behave believe belong borrow call cancel care carry cause challenge change
chat check clean climb close collect combine communicate compare compete complain complete concentrate concern
conclude connect consider consist contain continue contribute control convince cook copy count cover create cross cry
damage dance decide decrease define deliver demand depend describe deserve design destroy develop die disagree
disappear discover discuss divide drop earn educate employ encourage end enjoy enter establish exist expand expect
experience explain explore express face fail fill finish fit fix focus follow force gain gather graduate guess handle
happen hate help hope hunt identify imagine improve include increase influence inform intend introduce invent invite
involve join judge jump kill laugh last launch like limit listen live look love maintain manage mark marry matter
mention miss move name need notice obtain offer open operate order organize own participate pass perform persuade plan
play please point pollute practice prefer prepare present prevent produce promise promote protect provide publish pull
push raise reach realize receive recognize recommend reduce refer refuse relate relax rely remain remember remove
repeat replace report represent require respect respond rest result return save search seem separate serve share show
smell smile smoke solve sound start state stay stop store struggle study succeed suffer suggest support suppose
surprise survive talk taste teach tend thank touch train transfer travel treat trust try turn use visit wait walk want
warn waste watch wish wonder work worry
""")
    )
)

IRREGULAR_PLURALS = _pairs("""
children childs childrens child, men mans mens man, women womans womens woman, people peoples person, feet foots feets
foot, teeth tooths tooth, mice mouses mouse, lives lifes life, wives wifes wife, knives knifes knife, leaves leafs,
shelves shelfs, wolves wolfs, countries countrys country, families familys family, cities citys city, parties partys
party, babies babys baby, ladies ladys lady, companies companys company, studies studys study, stories storys story,
activities activitys activity, abilities abilitys ability, opportunities opportunitys opportunity, communities
communitys community, societies societys society, universities universitys university, heroes heros hero, potatoes
potatos potato, tomatoes tomatos tomato, criteria criterias criterion, phenomena phenomenas phenomenon, media medias,
data datas, bacteria bacterias, fish fishes, sheep sheeps, species specie, series serie, person
people persons, child children, man men, woman women, foot feet, tooth teeth, life lifes lives, wife wifes, family
familys, country countrys
""")

MASS_NOUNS = words("""
advice air baggage behavior bread business cash clothing coffee communication courage damage education electricity
energy entertainment equipment evidence experience fashion food freedom fun furniture garbage gasoline gold grass hair
happiness hardware health help history homework honesty housework information intelligence justice knowledge labor
literature love luck luggage mail mankind meat money music nature news oil patience peace permission petrol pollution
poverty progress research rice safety salt scenery software staff stuff sugar technology tourism traffic training
transport transportation trash travel trouble vocabulary water weather work youth
""")

NOUNS = words("""
ability accident action activity actor adult advantage advertisement age airport animal answer apartment area argument
army art article artist author baby bag ball bank battle bed benefit bike bird boat body book boss box boy brand
bridge brother building bus camera car card career case cat cause cell center century chair chance change chapter
character choice church city class classmate client club coach color company computer concept condition consumer
country course cousin culture customer danger daughter day decision degree detail difference disadvantage disease
doctor dog door dream driver effect effort employee engine engineer event exam example expert eye fact factor factory
family farmer father favor fear feature feeling field film finger fish flower friend game garden generation girl goal
government group guest guide guy habit hand head hero hobby holiday hospital hotel hour house human husband idea
individual industry invention island issue item job journey judge kid king kitchen lady lake language law lawyer
leader lecture lecturer lesson letter level library limit line list machine magazine map market match material meal
meeting member memory message method mind minute mistake moment month mother mountain mouse movie museum name nation
neighbor neighborhood newspaper night nurse object office opinion opportunity organization owner page paper parent
park part partner passenger past person phone photo picture place plan planet plant player point policeman political
position possibility president prize problem product professor program project purpose question radio reader reason
region relationship resource restaurant result right risk river road rock role room rule salary school science
scientist sea season sentence service shirt shoe shop shoulder side sister situation skill society soldier solution
son song source specialist star statement station stop store story street student subject table talent task taxi
teacher team technique technology teenager test thing thought ticket time tool topic tour tourist town tradition train
tree trip truck uncle university user vacation vehicle video view village visitor voice wall war way week wife window
winner word worker year
""")

# What is compared, by the comparative and by the superlative.
COMPARATIVES = _pairs("""
bigger big, better good, worse bad, easier easy, happier happy, healthier healthy, busier busy, hotter hot, fatter
fat, thinner thin, heavier heavy, prettier pretty, funnier funny, wealthier wealthy, luckier lucky, lonelier lonely,
farther far, further far, wiser wise, simpler simple, noisier noisy, earlier early, cheaper cheap, cleaner clean,
clearer clear, closer close, colder cold, cooler cool, darker dark, deeper deep, faster fast, greater great, harder
hard, higher high, larger large, later late, lighter light, longer long, lower low, nicer nice, older old, poorer
poor, quicker quick, richer rich, safer safe, sharper sharp, shorter short, slower slow, smaller small, smarter smart,
softer soft, stronger strong, sweeter sweet, taller tall, thicker thick, tougher tough, warmer warm, weaker weak,
wider wide, wilder wild, younger young
""")
SUPERLATIVES = {"best": ("good",), "worst": ("bad",)} | {
    word[:-1] + "st": base
    for word, base in COMPARATIVES.items()
    if word not in ("better", "worse", "further", "farther")
}

PREPOSITIONS = _pairs("""
in on at to, on in at about, at in on to, to for at in, for to of since, of from in for, with by to from, by with
from, from of by since, about on of for, into in to, onto on, during in at, since from for, among between, between
among in, through by in, without with_no, towards to, against to, over on above, under below, within in, until to,
upon in, like as
""")

ADDED_PREPOSITIONS = _pairs("""
discuss about, discussed about, discussing about, discusses about, emphasize on, enter to into, entered into, reach
to, reached to, contact with, marry with, married with, answer to, attend to, attended to, join to in, joined in,
visit to, visited to, visiting to, mention about, mentioned about, describe about, consider about, considering about,
explain about, face with, facing with, lack of, affect to, affects to, influence on, ask to, asked to, tell to, told
to, help to, helps to, teach to, access to, avoid from, prevent to, request for, order for, demand for, return back,
repeat again, improve on, practice on, enjoy with, meet with, met with, follow to, choose for, support to, support
for, love to, know about, knows about, knew about, understand about, believe in, experience of, research about, study
about, spend for, call to, call for, approach to, resemble to, control on, lead for, increase of, most of, despite of,
near to, inside of, outside of, home to, abroad to in, downtown in
""")

PRONOUNS = _pairs("""
i me, me i, he him his, him he, she her, her she, we us our, us we, they them their, them they, my me mine i, your you
yours, his he him, our us we, their them they, its it their, mine my, yours your, ours our, theirs their, myself me
my_self, yourself you your_self, himself hisself him, herself her, ourselves us ourself ourselfs, themselves them
theirself themself, itself it it's_self, who whom, whom who, whose who, this these, these this, those that, that
those, he she, she he, it they, they it
""")

AGREEMENT = _pairs("""
is are are are am be, are is is is be, was were, were was, am is are, has have, have has, does do, do does, isn't
aren't, aren't isn't, wasn't weren't, weren't wasn't, doesn't don't, don't doesn't, hasn't haven't, haven't hasn't
""")

SPLITS = groups("""
a_lot alot, in_fact infact, as_well aswell, at_least atleast, high_school highschool, each_other eachother, every_time
everytime, even_though eventhough, may_be maybe, in_spite inspite, all_right alright, some_times sometimes, some_one
someone, some_thing something, any_one anyone, every_one everyone, every_thing everything, any_thing anything, no_body
nobody, my_self myself, him_self himself, your_self yourself, them_selves themselves, it_self itself, with_out
without, with_in within, to_day today, to_gether together, al_ready already, all_ways always, now_a_days nowadays,
how_ever however, there_for therefore, more_over moreover, further_more furthermore, never_the_less nevertheless,
home_work homework, class_mate classmate, class_room classroom, news_paper newspaper, air_plane airplane, back_ground
background, any_more anymore, can_not cannot, in_to into, up_on upon, who_ever whoever, what_ever whatever, when_ever
whenever, where_ever wherever, out_side outside, in_side inside, under_stand understand, be_cause because, be_come
become, life_time lifetime, week_end weekend, birth_day birthday, work_place workplace, over_come overcome, other_wise
otherwise, every_where everywhere, some_where somewhere, house_work housework, mean_while meanwhile, al_though
although, grand_mother grandmother, grand_father grandfather, on_line online, web_site website
""")

FUNCTION_WORDS = words("""
a about above after again against all almost also although always am among an and another any anyone anything are as
at away back be because been before being below besides between both but by can cannot could did do does done down
during each either else enough even ever every everyone everything few for from had has have he hence her here hers
him himself his how however i if in indeed inside instead into is it its itself just least less many may maybe me
might mine more most much must my myself near neither never no nobody none nor not nothing now of off often on once
one only onto or other others otherwise our ours out outside over perhaps quite rather same shall she should since so
some someone something sometimes soon still such than that the their them themselves then there therefore these they
this those though through thus to today together too toward towards two under unless until up upon us very was we well
were what when where whether which while who whom whose why will with within without would yes yet you your yours
""")

KEY_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "adwx", "d": "sfec", "f": "dgrv", "g": "fhtb", "h": "gjyn", "j": "hkum", "k": "jlio",
    "l": "kop",
    "z": "asx", "x": "zsc", "c": "xdv", "v": "cfb", "b": "vgn", "n": "bhm", "m": "njk",
}  # fmt: skip

# How a writer spells what they hear: a stretch of letters and what stands there instead.
SOUNDS = _pairs("""
ie ei e i, ei ie e i, ea e ee a, ee ea e i, ou o u ow, oo o u ou, ai a ei e, au a o, ow ou o, oa o, ue u ew, ui i u,
tion sion tin ton, sion tion ssion, ssion sion tion, cion tion, ance ence anse, ence ance ense, ant ent, ent ant, able
ible abel, ible able, ary ery ry, ery ary ry, ory ery ary, ful full, fully fuly, ally aly ly, ely ly, ously osly, ous
us ouse, ious ius ous, ph f, gh g, ght gt t ht, kn n, wr r, wh w, ch sh c, tch ch, sc s c, ce se, ci si, cy sy, ck k
c, qu q kw, x cs ks, que k, dge ge dg, ge je, le el al, re er, er ar or re, ar er, or er ar, ir er ur, ur er ir, our
or er, ture cher tur, ment mant mnet, ness nes, less les, ll l, ss s, tt t, pp p, mm m, nn n, rr r, cc c, ff f, dd d,
gg g, bb b, in en, en in, im em, em im, de di, di de, ex exs ecs, ei ai, th t, s z, z s, c s, a e, e a i, i e, o u a,
u o, y i
""")
