"""The official libraries on what a receiver was sent: signatures (Standard Webhooks), events (CloudEvents), and
OCSF events against the published schema.

Arguments: a file of {"headers", "body"} lines, the secrets that each must verify with, and last one that it must not.
"""

import json
import sys

from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

PATH, *SECRETS, WRONG = sys.argv[1:]
OCSF = OcsfJsonSchemaEmbedded(get_ocsf_schema(version="1.8.0"))
VALIDATORS = {}


def validator(event):
    key = (event["class_uid"], tuple(event["metadata"]["profiles"]))
    if key not in VALIDATORS:
        name = OCSF.lookup_class_name_from_uid(class_uid=key[0])
        VALIDATORS[key] = Draft202012Validator(OCSF.get_class_schema(class_name=name, profiles=list(key[1])))
    return VALIDATORS[key]


def refused(secret, body, headers):
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return True
    return False


def cloud(headers, body, event):
    seen = from_structured_event(HTTPMessage(headers, body))
    assert seen.get_specversion() == "1.0"
    assert seen.get_id() == headers["webhook-id"], (seen.get_id(), headers)
    assert seen.get_type().startswith("approvals."), seen.get_type()
    assert seen.get_source() == "//test.example/log", seen.get_source()
    assert seen.get_time().utcoffset() is not None
    assert seen.get_subject() == event["data"]["request"]
    assert int(seen.get_extension("sequence")) == event["data"]["log"]["index"]


def ocsf(event):
    errors = [error.message for error in validator(event).iter_errors(event)]
    assert not errors, (event, errors)
    # The schema can refuse: without a member that it wants, it does.
    del event["metadata"]
    assert list(validator_of[0].iter_errors(event)), "the schema refuses nothing"


count = 0
for line in open(PATH):
    message = json.loads(line)
    headers, body = message["headers"], message["body"].encode()
    for secret in SECRETS:
        Webhook(secret).verify(body, headers)
    assert refused(WRONG, body, headers), "a foreign secret verifies"
    assert refused(SECRETS[0], body + b" ", headers), "a changed body verifies"
    event = json.loads(body)
    if headers["content-type"].startswith("application/cloudevents+json"):
        cloud(headers, body, event)
    else:
        validator_of = [validator(event)]
        ocsf(event)
    count += 1
assert count, "nothing was sent"
print(count)
