"""Train on a scene, map the next: ``python examples/map_next_scene.py SCENE POLYGONS NEXT_SCENE``."""

import sys

import hsi

scene, polygons, next_scene = sys.argv[1:4]
# pixels less confident than 95 % of the validation pixels become "unclassified"
hsi.train(scene, polygons, out="landcover.safetensors", settings={"split.validation": "10%"}, overwrite=True)
predicted = hsi.predict("landcover.safetensors", next_scene, "map.tif", reject_rate="5%", overwrite=True)
for area in predicted.record["areas"]:
    print(f"{area['name']:<32} {area['pixels']:>8} pixels")
