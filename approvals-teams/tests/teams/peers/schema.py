# Every card passes the JSON schema of Adaptive Cards 1.5, and what is wrong in one does not.
import copy, json, pathlib, sys
import adaptive_cards, jsonschema

folder = pathlib.Path(adaptive_cards.__file__).parent / "schemas"
schema = json.loads((folder / "schema-1.5.json").read_text())
validator = jsonschema.validators.validator_for(schema)(schema)
cards = json.loads(pathlib.Path(sys.argv[1]).read_text())
for shown in cards:
    errors = [error.message[:200] for error in validator.iter_errors(shown["card"])]
    assert not errors, (shown["name"], errors)

def find(node, kind):
    if isinstance(node, dict):
        if node.get("type") == kind:
            return node
        node = list(node.values())
    if isinstance(node, list):
        return next((found for found in (find(item, kind) for item in node) if found), None)
    return None

def change(kind, edit):
    def apply(card):
        edit(find(card, kind))
    return apply

mutations = {
    "an element that is none": change("TextBlock", lambda it: it.update(type="TextBlok")),
    "a style that is none": change("Action.Execute", lambda it: it.update(style="danger")),
    "a verb that is no text": change("Action.Execute", lambda it: it.update(verb=3)),
    "a member that is none": change("Action.ShowCard", lambda it: it.update(confirm="x")),
    "no text": change("TextBlock", lambda it: it.pop("text")),
    "an input without an id": change("Input.Text", lambda it: it.pop("id")),
    "a run that is none": change("RichTextBlock", lambda it: it.update(inlines=[{"type": "Run"}])),
}
pending = next(shown["card"] for shown in cards if shown["pending"])
for name, mutate in mutations.items():
    card = copy.deepcopy(pending)
    mutate(card)
    assert list(validator.iter_errors(card)), f"not noticed: {name}"
