"""OCSF events, one a line, against the published schema of 1.8.0. Argument: the file."""

import json
import sys

from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

OCSF = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
validators = {}
count = 0
for line in open(sys.argv[1]):
    event = json.loads(line)
    key = (event["class_uid"], tuple(event["metadata"]["profiles"]))
    if key not in validators:
        name = OCSF.lookup_class_name_from_uid(class_uid=key[0])
        validators[key] = Draft202012Validator(OCSF.get_class_schema(class_name=name, profiles=list(key[1])))
    errors = [error.message for error in validators[key].iter_errors(event)]
    assert not errors, (event, errors)
    # The schema can refuse: without a member that it wants, it does.
    del event["metadata"]
    assert list(validators[key].iter_errors(event)), "the schema refuses nothing"
    count += 1
assert count, "there are no events"
print(count)
