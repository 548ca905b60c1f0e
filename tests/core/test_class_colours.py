"""Classes have the colours of what their names mean, and all differ for every kind of colour vision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from hsi.core.class_colours import MEANINGS, meaning_of, name_colours
from tests.core.colour_vision import least_difference

NAMES = {
    "water": "Water,Wasser,eau,agua,acqua,água,water,woda,Stausee,Gewässer,Gewaesser,Plan d'eau,Río,Wasserfläche,"
    "oppervlaktewater,jezioro,See,water_body,OpenWater,Mer,Cuerpos de agua",
    "forest": "Wald,forêt,bosque,bosco,floresta,bos,las,Nadelwald,Waldfläche,Woods,Forêt de conifères,bosque de pinos,"
    "loofbos,Deciduous forest,Bäume,Baeume,Árboles,Lasy liściaste",
    "grass": "Grassland,Wiese,Meadows,Grünland,Gruenland,prairie,Pâturage,prato,pastagem,trawa,łąka,Feuchtwiese",
    "crop": "Winter wheat,Blé,maíz,Mais,Ackerfläche,Maisfeld,champ de blé,Winterweizen,riso,tarwe,pszenica,Arable land",
    "soil": "Bare Soil,Boden,sol nu,suelo desnudo,suolo,solo,bodem,gleba,Brache,Soil with grass",
    "built": "Building,Gebäude,Siedlung,toit,bâti,edificio,Flachdach,gebouw,zabudowa,Siedlungsfläche,Metal roof",
    "road": "Asphalt,Straße,Bundesstraße,Feldweg,route,carretera,strada,estrada,droga,Parking lot,Waldweg,Forest road",
    "snow": "Snow,Schnee,neige,nieve,neve,sneeuw,śnieg,Ice,Gletscher,Schneefeld",
    "wetland": "Hochmoor,marais,humedal,palude,pântano,moeras,Schilf",
    "sand": "Beach,plage,Strand,spiaggia,praia,plaża",
    "rock": "Bare rock,Gravel,Fels,rocher,roca,roccia,rocha,skały",
    "shrub": "Scrubland,Heide,Gebüsch,matorral,krzewy",
    None: "class 1,,7,Nicaragua,bureau,Hollywood,broad,maisonette,Nichtwald,non-forest,No water,Solar panels,thousand,"
    "traps,Glass,Cracker,notice,Waldorf,price",
}


@pytest.mark.parametrize(("meaning", "names"), NAMES.items(), ids=str)
def test_names_tell_what_classes_are(meaning, names):
    assert {name: meaning_of(name) for name in names.split(",") if "?" not in name} == {
        name: meaning for name in names.split(",") if "?" not in name
    }


def test_a_class_has_the_colour_of_its_meaning_wherever_it_stands():
    water, forest = MEANINGS["water"].colour, MEANINGS["forest"].colour
    assert name_colours(("Wald", "Celery", "Wasser"))[::2] == (forest, water)
    assert name_colours(("Celery", "eau", "forêt", "class 4"))[1:3] == (water, forest)


def test_the_colours_of_meanings_differ_for_everyone():
    assert least_difference([one.colour for one in MEANINGS.values()]) > 10


def test_classes_of_one_meaning_have_shades_that_differ_for_everyone():
    names = ("River", "Lake", "Sea", "Nadelwald", "Laubwald", "Wheat", "Corn", "Oats", "Soil", "Road", "Roof", "x", "y")
    colours = name_colours(names)
    assert least_difference(colours) > 6
    blue, green = np.array(colours[:3]), np.array(colours[3:5])
    assert (blue[:, 2] > blue[:, 0]).all() and (green[:, 1] > green[:, 0]).all()


@pytest.mark.parametrize(("count", "least"), [(2, 40), (8, 15), (16, 10), (30, 7)])
def test_classes_without_a_meaning_differ_for_everyone(count, least):
    assert least_difference(name_colours([f"class {i}" for i in range(count)])) > least


def test_given_colours_stay_and_others_differ_from_them():
    water = MEANINGS["water"].colour
    colours = name_colours(("a", "Wasser", "b"), {0: water})
    assert colours[0] == water and least_difference(colours) > 6


@given(st.lists(st.text(max_size=30), max_size=30))
@hypothesis_settings(max_examples=10, deadline=None)
def test_any_names_have_colours(names):
    colours = name_colours(names)
    assert len(colours) == len(names)
    assert all(0 <= level <= 255 for colour in colours for level in colour)


def test_there_are_colours_for_more_classes_than_colours():
    assert len(set(name_colours([str(i) for i in range(300)]))) == 200
