"""Colours of classes by what their names mean, in eight languages, and colours that differ for everyone for the rest.

The colour of each meaning was chosen, within the hue and lightness by which maps show it, so that the least distance
between two of them is as large as possible for every kind of colour vision.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from hsi.core.colours import CANDIDATES, EMPTY, Colour, Palette, seen_colours

LEAST_SHADE = 6.0  # CIEDE2000 by which a further shade of a meaning has to differ from all other colours
MOST_COLOURS = 200  # of a table; then they repeat


@dataclass(frozen=True)
class Meaning:
    """A colour, and the CIELAB hue (degrees), chroma and lightness, each from and to, of its further shades.

    ``last`` are words of English, German and Dutch, in which the last noun of several names the class, ``first`` those
    of French, Spanish, Italian, Portuguese and Polish, in which the first one does. Words are without accents.
    """

    colour: Colour
    shades: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    last: str
    first: str


MEANINGS = {
    "water": Meaning(
        (17, 85, 187), ((225, 300), (20, 80), (22, 82)),
        "water waters river rivers lake lakes pond ponds sea ocean stream creek canal reservoir lagoon wasser "
        "gewasser fluss flusse bach teich teiche weiher meer ozean kanal stausee baggersee bergsee badesee wateren "
        "rivier rivieren meren vijver zee sloot oceaan",
        "eau eaux fleuve riviere rivieres lac lacs etang etangs ocean agua aguas rio rios lago lagos laguna oceano "
        "embalse mare acqua acque fiume fiumi laghi stagno lagoa albufeira woda wody rzeka rzeki jezioro jeziora staw "
        "morze hydrographie",
    ),
    "wetland": Meaning(
        (0, 153, 153), ((170, 225), (15, 60), (35, 85)),
        "wetland wetlands marsh marshes swamp swamps bog bogs fen mire peat mangrove mangroves marshland reed reeds "
        "moor moore sumpf sumpfe feuchtgebiet feuchtgebiete ried schilf mangroven moeras moerassen veen riet",
        "marais marecage tourbiere humedal humedales pantano pantanos manglar turbera palude paludi torbiera "
        "mangrovie pantanal sapal turfeira mangue mangal bagno bagna torfowisko mokradlo mokradla",
    ),
    "forest": Meaning(
        (0, 68, 34), ((125, 170), (15, 70), (20, 62)),
        "forest forests wood woods woodland woodlands tree trees conifer conifers coniferous deciduous broadleaf "
        "broadleaved evergreen pine pines spruce oak oaks beech birch fir larch poplar eucalyptus hardwood softwood "
        "jungle wald walder forst forste baum baume geholz geholze nadelholz laubholz fichte fichten kiefer kiefern "
        "buche buchen eiche eichen birke tanne tannen larche bos bossen woud boom bomen loofbos naaldbos gemengdbos "
        "eik beuk spar",
        "foret forets bois boise boisement arbre arbres feuillus resineux coniferes chene chenes hetre sapin pins "
        "bosque bosques arbol arboles arboleda conifera pino pinos pinar encina encinas roble bosco boschi foresta "
        "foreste albero alberi conifere quercia pineta faggio floresta florestas arvore arvores pinheiro pinheiros "
        "pinhal carvalho sobreiro eucalipto lasy drzewo drzewa iglaste iglasty lisciaste lisciasty sosna swierk dab "
        "buk brzoza",
    ),
    "shrub": Meaning(
        (136, 153, 85), ((95, 125), (20, 65), (35, 72)),
        "shrub shrubs shrubland scrub scrubland bush bushes bushland heath heathland hedge hedges chaparral strauch "
        "straucher gebusch busch busche hecke hecken heide struik struiken struikgewas heg",
        "arbuste arbustes arbustif buisson buissons broussaille broussailles lande landes maquis garrigue haie haies "
        "arbusto arbustos matorral matorrales arbusti macchia cespuglio cespugli siepe mato matos krzew krzewy "
        "zarosla",
    ),
    "grass": Meaning(
        (153, 204, 119), ((105, 145), (25, 95), (55, 92)),
        "grass grasses grassland grasslands meadow meadows pasture pastures pastureland lawn lawns turf prairie "
        "savanna rangeland herbaceous gras graser grunland wiese wiesen weide weiden rasen grasland weiland grasveld "
        "gazon",
        "herbe herbes herbace prairies pelouse pelouses paturage paturages pre pres gazon hierba hierbas pradera "
        "praderas pasto pastos pastizal pastizales cesped prado prados erba erbe prato prati pascolo pascoli grama "
        "relva pastagem pastagens trawa trawy laka laki pastwisko pastwiska",
    ),
    "crop": Meaning(
        (255, 204, 0), ((62, 105), (35, 105), (52, 94)),
        "crop crops cropland croplands field fields arable agriculture agricultural farmland wheat corn maize soy "
        "soya soybean soybeans barley oat oats rye rice paddy alfalfa sunflower sunflowers rapeseed canola cotton "
        "potato potatoes beet beets sugarcane sorghum millet vineyard vineyards orchard orchards hay cereal cereals "
        "grain plantation acker ackerland ackerflache feld felder weizen mais gerste roggen hafer raps kartoffel "
        "kartoffeln zuckerrube zuckerruben rube ruben getreide soja sonnenblume sonnenblumen weinberg weinbau reben "
        "obst hopfen landwirtschaft winterraps sommerraps silomais kornermais akker akkers akkerland bouwland tarwe "
        "gerst haver rogge aardappel aardappelen aardappels suikerbiet suikerbieten biet bieten koolzaad landbouw "
        "boomgaard wijngaard",
        "ble orge avoine seigle colza tournesol culture cultures champ champs betterave betteraves pomme vigne vignes "
        "verger agricole labour trigo maiz cebada avena centeno girasol arroz cultivo cultivos campo campos vinedo "
        "olivar remolacha algodon grano frumento orzo segale coltura colture coltivazione coltivazioni seminativo "
        "seminativi riso girasole vigneto barbabietola cotone milho cevada aveia centeio lavoura lavouras girassol "
        "vinha algodao pszenica kukurydza jeczmien zyto owies rzepak pole pola uprawa uprawy ziemniak ziemniaki burak "
        "buraki",
    ),
    "soil": Meaning(
        (136, 102, 68), ((40, 82), (15, 60), (24, 70)),
        "soil soils earth dirt mud bare barren fallow ground loam clay boden erde brache brachland ackerboden "
        "rohboden lehm odland bodem grond aarde braak braakland klei",
        "sol sols terre terres nu nue jachere suelo suelos tierra tierras barbecho desnudo suolo suoli terra terreno "
        "maggese argilla nudo barro pousio gleba gleby ziemia ugor",
    ),
    "sand": Meaning(
        (238, 221, 187), ((65, 105), (8, 45), (72, 95)),
        "sand sands beach beaches dune dunes desert strand strande dunen wuste zand duin duinen woestijn",
        "sable sables plage plages desert arena arenas playa playas duna dunas desierto sabbia sabbie spiaggia "
        "spiagge dune areia praia praias piasek piaski plaza wydma wydmy pustynia",
    ),
    "rock": Meaning(
        (187, 170, 153), ((30, 110), (3, 24), (42, 82)),
        "rock rocks stone stones gravel cliff scree boulder boulders quarry fels felsen gestein stein steine kies "
        "gerolll geroll schotter steinbruch rots rotsen steen grind steengroeve",
        "roche roches rocher rochers gravier pierre carriere roca rocas grava piedra cantera roccia rocce ghiaia "
        "pietra cava rocha rochas cascalho pedra pedreira skala skaly zwir kamien kamienie",
    ),
    "built": Meaning(
        (221, 0, 0), ((10, 48), (35, 105), (28, 76)),
        "built buildup building buildings urban city cities town settlement settlements residential roof roofs "
        "rooftop house houses housing industrial industry brick bricks tile tiles gebaude siedlung siedlungen haus "
        "hauser dach dacher stadt stadtisch bebaut bebaute bebauung industrie gebouw gebouwen bebouwd bebouwing "
        "stedelijk huis huizen dak daken stad",
        "bati batie batiment batiments urbain urbaine toit toits toiture ville maison maisons edificio edificios "
        "urbano urbana tejado tejados casa casas ciudad construido construida edificato edificata edifici tetto tetti "
        "citta urbanizzato predio predios edificado telhado telhados cidade budynek budynki zabudowa zabudowania "
        "dachy miasto",
    ),
    "road": Meaning(
        (102, 102, 102), ((0, 360), (0, 7), (28, 78)),
        "road roads street streets asphalt pavement paved parking highway motorway bitumen concrete railway railways "
        "rail runway sidewalk path impervious strasse strassen weg wege beton parkplatz parkplatze autobahn bahn "
        "gleis gleise versiegelt wegen straat straten asfalt snelweg spoor verhard",
        "route routes rue rues chaussee chemin chemins bitume autoroute asphalte carretera carreteras calle calles "
        "camino caminos asfalto hormigon autopista strada strade calcestruzzo autostrada ferrovia estrada estradas "
        "rua ruas betao droga drogi ulica ulice",
    ),
    "snow": Meaning(
        (238, 255, 255), ((180, 270), (0, 16), (84, 100)),
        "snow ice glacier glaciers schnee eis gletscher sneeuw ijs gletsjer",
        "neige neiges glace nieve hielo glaciar glaciares neve ghiaccio ghiacciaio ghiacciai gelo snieg lod lodowiec",
    ),
    "cloud": Meaning(
        (187, 187, 221), ((270, 335), (8, 30), (62, 90)),
        "cloud clouds haze wolke wolken bewolking",
        "nuage nuages nube nubes nuvola nuvole nuvem nuvens chmura chmury",
    ),
    "shadow": Meaning(
        (34, 17, 51), ((255, 340), (4, 40), (5, 34)),
        "shadow shadows shade shaded schatten schaduw schaduwen",
        "ombre ombres sombra sombras ombra cien cienie",
    ),
}  # fmt: skip
# words that mean something else in other languages, and count where no other word does
WEAK = {"see": "water", "mer": "water", "mar": "water", "las": "forest", "mata": "forest", "solo": "soil",
        "vegetation": "grass", "green": "grass"}  # fmt: skip
# at the end of a compound of German or Dutch, or of English where it says so
ENDINGS = (
    "wald walder forst baum baume wasser gewasser fluss teich wiese wiesen weide weiden rasen gras grasland "
    "strasse strassen weg wege gebaude siedlung siedlungen dach dacher haus hauser schnee gletscher fels felsen "
    "moor sumpf weizen gerste roggen hafer boden beton wolke wolken schatten water gewas bossen bebouwing sneeuw"
)
BEGINNINGS = {"siedlungs": "built", "verkehrs": "road", "strassen": "road", "wohn": "built"}
EXTENTS = re.compile(
    "(?:flache|flachen|gebiet|gebiete|feld|felder|korper|lauf|bestand|bestande|land|anbau|bedeckung|gebied|veld|vlakte)$"
)
NEGATIONS = {"no", "non", "not", "nicht", "kein", "keine", "ohne", "without", "sans", "sin", "senza", "sem", "bez",
             "geen", "niet", "zonder", "nao", "nie", "pas"}  # fmt: skip
JOINTS = re.compile(
    r"[,;/(&+|:]|\b(?:and|or|with|on|in|of|und|oder|mit|auf|im|am|et|ou|avec|de|du|des|sur|y|o|con|del|en|e|di|da|do|dos|"
    r"das|com|della|delle|dei|van|met|op|i|z|na|w)\b"
)
LETTERS = str.maketrans("łŁøØđ", "lLoOd")


def meaning_of(name: str) -> str | None:
    """What a class is by its name, such as "water" for "Stausee", "eau" or "Open water"; None where no word tells."""
    plain = unicodedata.normalize("NFKD", name.translate(LETTERS))
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    parts = JOINTS.split(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain).replace("_", " ").casefold())
    weak = None
    for part in parts:
        found: list[tuple[str, bool]] = []
        for word in re.findall(r"[^\W\d_]+", part):
            if word in NEGATIONS:
                break
            weak = weak or WEAK.get(word)
            found += [known] if (known := _meaning_of_word(word)) else []
        if found:
            return (found[0] if found[0][1] else found[-1])[0]
    return weak


@cache
def _words() -> dict[str, tuple[str, bool]]:
    """Each word's meaning, and whether it is of a language in which the first noun counts."""
    words = {word: (key, True) for key, one in MEANINGS.items() for word in one.first.split()}
    return words | {word: (key, False) for key, one in MEANINGS.items() for word in one.last.split()}


def _meaning_of_word(word: str) -> tuple[str, bool] | None:
    """The entry of a word in :func:`_words`, or of the part of a compound that names it."""
    words = _words()
    if word.startswith(("nicht", "niet")):
        return None
    for form in (word, word.replace("ae", "a").replace("oe", "o").replace("ue", "u")):
        extent = EXTENTS.search(form)
        base = form[: extent.start()] if extent else ""
        endings = (ending for ending in ENDINGS.split() if form.endswith(ending) and len(form) > len(ending) + 1)
        for part in (form, base, base.removesuffix("s"), base.removesuffix("n"), *endings):
            if part in words:
                return words[part]
        beginning = next((start for start in BEGINNINGS if extent and form.startswith(start)), None)
        if beginning:
            return BEGINNINGS[beginning], False
    return None


def name_colours(names: Sequence[str], given: Mapping[int, Colour] | None = None) -> tuple[Colour, ...]:
    """A colour for each class by its name, but for those ``given`` by their position.

    The first class of a meaning has the colour of :data:`MEANINGS`, a further one the shade of it that differs most
    from all colours of the table. A class without a meaning has the colour that differs most, for whoever sees the
    difference smallest. Beyond 200 classes colours repeat.
    """
    return _name_colours(tuple(names), tuple(sorted((given or {}).items())))


@lru_cache(maxsize=64)
def _name_colours(names: tuple[str, ...], given: tuple[tuple[int, Colour], ...]) -> tuple[Colour, ...]:
    chosen = dict(given)
    if len(chosen) == len(names):
        return tuple(chosen[place] for place in range(len(names)))
    palette = Palette(dict.fromkeys(chosen.values()))
    meanings = {place: meaning_of(name) for place, name in enumerate(names) if place not in chosen}
    first = {meaning: place for place, meaning in reversed(meanings.items()) if meaning}
    for meaning, place in sorted(first.items(), key=lambda item: item[1]):
        colour = MEANINGS[meaning].colour
        if palette.distance(colour) >= LEAST_SHADE:
            palette.take(colour)
            chosen[place] = colour
    further = sorted(meanings.keys() - chosen.keys(), key=lambda place: (meanings[place] is None, place))
    for place in further[:MOST_COLOURS]:
        known = meanings[place]
        shade = palette.choose(_shades(known), LEAST_SHADE) if known else None
        chosen[place] = shade or palette.choose() or EMPTY
    for number, place in enumerate(further[MOST_COLOURS:]):
        chosen[place] = chosen[further[number % MOST_COLOURS]]
    return tuple(chosen[place] for place in range(len(names)))


@cache
def _shades(meaning: str) -> NDArray[np.bool_]:
    """Which of the candidates ``(n,)`` are colours by which a meaning may be shown."""
    (first, last), chroma, lightness = MEANINGS[meaning].shades
    level, a, b = seen_colours(CANDIDATES)[0].T
    strength, hue = np.hypot(a, b), np.degrees(np.arctan2(b, a)) % 360
    inside: NDArray[np.bool_] = (hue >= first) & (hue <= last)
    for values, (low, high) in ((strength, chroma), (level, lightness)):
        inside &= (values >= low) & (values <= high)
    return inside
