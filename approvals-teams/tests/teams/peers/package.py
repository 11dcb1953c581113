# The manifest passes the schema that Microsoft publishes for its version, the icons are what Teams asks
# for, nothing else is in the file, and what is wrong in one of them is noticed.
import copy, io, json, pathlib, sys, zipfile
import jsonschema
from PIL import Image

with zipfile.ZipFile(sys.argv[1]) as package:
    assert package.testzip() is None
    assert package.namelist() == ["manifest.json", "color.png", "outline.png"], package.namelist()
    files = {name: package.read(name) for name in package.namelist()}
manifest = json.loads(files["manifest.json"])
schema = json.loads((pathlib.Path(sys.argv[2]) / f"v{manifest['manifestVersion']}" / "MicrosoftTeams.schema.json").read_text())
assert manifest["$schema"].endswith(f"/teams/v{manifest['manifestVersion']}/MicrosoftTeams.schema.json")
# Draft 4 does not know the `const` that names the version, so that a validator passes over it.
assert schema["properties"]["manifestVersion"]["const"] == manifest["manifestVersion"]
validator = jsonschema.Draft4Validator(schema, format_checker=jsonschema.Draft4Validator.FORMAT_CHECKER)
errors = [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(manifest)]
assert not errors, errors
assert manifest["icons"] == {"color": "color.png", "outline": "outline.png"}
bot, = manifest["bots"]
assert bot["botId"] == manifest["id"] and set(bot["scopes"]) == {"personal", "team", "groupChat"}
# It asks for no permission, no domain and no tab.
assert not manifest["validDomains"] and not {"authorization", "permissions", "webApplicationInfo", "staticTabs"} & set(manifest)

mutations = {
    "no id": lambda it: it.pop("id"),
    "an id that is none": lambda it: it.update(id="approvals"),
    "a long name": lambda it: it["name"].update(short="x" * 31),
    "a colour that is none": lambda it: it.update(accentColor="blue"),
    "a scope that is none": lambda it: it["bots"][0].update(scopes=["everywhere"]),
    "a member that is none": lambda it: it.update(secret="x"),
    "a site that is no address": lambda it: it["developer"].update(websiteUrl="example.com"),
}
for name, mutate in mutations.items():
    other = copy.deepcopy(manifest)
    mutate(other)
    assert list(validator.iter_errors(other)), f"not noticed: {name}"

def icon(name, bytes):
    """What is wrong with an icon by the rules of the Teams store."""
    image = Image.open(io.BytesIO(bytes))
    image.load()
    wrong = [] if image.format == "PNG" else ["no PNG"]
    pixels = list(image.convert("RGBA").get_flattened_data()) if hasattr(image, "get_flattened_data") else list(image.convert("RGBA").getdata())
    if name == "color.png":
        wrong += [] if image.size == (192, 192) else ["size"]
        # A full square: nothing shines through at its corners.
        wrong += [] if all(pixel[3] == 255 for pixel in pixels) else ["transparent"]
    else:
        wrong += [] if image.size == (32, 32) else ["size"]
        wrong += [] if image.mode == "RGBA" else ["no alpha"]
        wrong += [] if all(pixel[:3] == (255, 255, 255) for pixel in pixels if pixel[3] > 0) else ["not white"]
        shares = sum(pixel[3] == 0 for pixel in pixels) / len(pixels), sum(pixel[3] == 255 for pixel in pixels)
        wrong += [] if 0.2 < shares[0] < 1 and shares[1] > 0 else ["not an outline"]
    return wrong

for name in ("color.png", "outline.png"):
    assert icon(name, files[name]) == [], (name, icon(name, files[name]))
assert icon("outline.png", files["color.png"]) and icon("color.png", files["outline.png"])
