"""Slack's own Socket Mode client for Python at our fixture's socket: official.py API. It says what it hears."""
import json
import sys

from slack_sdk import WebClient
from slack_sdk.socket_mode import SocketModeClient
from slack_sdk.socket_mode.response import SocketModeResponse


def hear(client, request):
    body = request.payload
    heard = {
        "heard": request.type,
        "envelope": request.envelope_id,
        "of": body.get("type"),
        "user": body.get("user", {}).get("id"),
        "value": (body.get("actions") or [{}])[0].get("value"),
    }
    print(json.dumps(heard), flush=True)
    answer = {"response_action": "clear"} if body["type"] == "view_submission" else None
    client.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id, payload=answer))


client = SocketModeClient(app_token="xapp-test-token", web_client=WebClient(base_url=sys.argv[1]))
client.socket_mode_request_listeners.append(hear)
client.connect()
sys.stdin.read()
client.close()
