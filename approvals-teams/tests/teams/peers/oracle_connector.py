# What botframework-connector of PyPI says to each token.
import asyncio, json, logging, pathlib, sys
from botframework.connector.auth import (
    AuthenticationConfiguration, ChannelValidation, JwtTokenValidation, SimpleChannelProvider, SimpleCredentialProvider,
)

logging.disable(logging.CRITICAL)
given = json.loads(pathlib.Path(sys.argv[1]).read_text())
ChannelValidation.open_id_metadata_endpoint = given["base"] + "/openid"

async def taken(token):
    try:
        await JwtTokenValidation.validate_auth_header(
            "Bearer " + token, SimpleCredentialProvider(given["app"], "unused"), SimpleChannelProvider(),
            "msteams", given["service"], AuthenticationConfiguration(),
        )
        return True
    except Exception:
        return False

async def main():
    # Tokens of Entra would make it ask Entra for keys, which a test does not.
    skip = "Entra's issuer"
    print(json.dumps({name: name != skip and await taken(token) for name, token in given["tokens"].items()}))

asyncio.run(main())
