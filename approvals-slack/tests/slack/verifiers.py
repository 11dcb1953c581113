"""Judges signed requests as Slack's own library for Python does: verifiers.py NOW SECRET, one request a line."""
import base64
import json
import sys

from slack_sdk.signature import Clock, SignatureVerifier


class Standing(Clock):
    def now(self):
        return float(sys.argv[1])


def main():
    verifier = SignatureVerifier(sys.argv[2], Standing())
    for line in sys.stdin:
        request = json.loads(line)
        headers = {
            "X-Slack-Request-Timestamp": request["timestamp"],
            "X-Slack-Signature": request["signature"],
        }
        try:
            accepted = verifier.is_valid_request(base64.b64decode(request["body"]), headers)
        except Exception:
            # Some junk it does not answer with a no.
            accepted = False
        print(json.dumps(bool(accepted)))


main()
