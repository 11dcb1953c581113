// Slack's own Socket Mode client for Node.js at our fixture's socket: official.mjs API. It says what it hears.
import socket from '@slack/socket-mode';

const client = new socket.SocketModeClient({
  appToken: 'xapp-test-token',
  clientOptions: { slackApiUrl: process.argv[2] },
  logLevel: 'error',
});
client.on('slack_event', async ({ ack, body, envelope_id: envelope, type }) => {
  console.log(JSON.stringify({ heard: type, envelope, of: body.type, user: body.user?.id, value: body.actions?.[0].value }));
  await ack(body.type === 'view_submission' ? { response_action: 'clear' } : undefined);
});
await client.start();
process.stdin.resume().on('end', async () => {
  await client.disconnect();
  process.exit(0);
});
