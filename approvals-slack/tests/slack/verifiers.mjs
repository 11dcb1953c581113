// Judges signed requests as Slack's own libraries for Node.js do: verifiers.mjs NOW, one request a line on standard input.
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import bolt from '@slack/bolt/dist/receivers/HTTPModuleFunctions.js';
import events from '@slack/events-api';

const now = Number(process.argv[2]) * 1000;
// Both read the clock by themselves.
Date.now = () => now;
const signingSecret = process.argv[3];

async function byBolt({ body, timestamp, signature }) {
  const request = Readable.from([body]);
  request.headers = { 'x-slack-signature': signature, 'x-slack-request-timestamp': timestamp };
  await bolt.parseAndVerifyHTTPRequest({ signingSecret }, request);
}

// As its own HTTP handler calls it.
async function byEvents({ body, timestamp, signature }) {
  events.verifyRequestSignature({
    signingSecret, requestSignature: signature, requestTimestamp: parseInt(timestamp, 10), body: body.toString(),
  });
}

async function accepts(verify, request) {
  try {
    await verify(request);
    return true;
  } catch {
    return false;
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  request.body = Buffer.from(request.body, 'base64');
  console.log(JSON.stringify([await accepts(byBolt, request), await accepts(byEvents, request)]));
}
