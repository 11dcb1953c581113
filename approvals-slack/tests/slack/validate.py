"""Slack's own models judge what we emit: one JSON call a line on standard input."""
import json
import sys

from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View


def unique(names, what):
    names = [name for name in names if name]
    assert len(names) == len(set(names)), f"{what} twice: {names}"


def blocks(given, most):
    assert 1 <= len(given) <= most, f"{len(given)} blocks"
    unique([block.get("block_id") for block in given], "block_id")
    for block in given:
        elements = block.get("elements", []) if block["type"] == "actions" else []
        unique([element.get("action_id") for element in elements], "action_id")
    parsed = Block.parse_all(given)
    assert len(parsed) == len(given), "a block is unknown"
    for block in parsed:
        block.to_dict()


def main():
    seen = 0
    for line in sys.stdin:
        call = json.loads(line)
        try:
            if "view" in call:
                view = call["view"]
                blocks(view["blocks"], 100)
                fields = {name: value for name, value in view.items()}
                View(**fields).to_dict()
            else:
                blocks(call["blocks"], 50)
                assert 0 < len(call["text"]) <= 4000, "text"
        except Exception as error:
            print(f"{type(error).__name__}: {error}\n{line}", file=sys.stderr)
            sys.exit(1)
        seen += 1
    print(seen)


main()
