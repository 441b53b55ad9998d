// mirror.mjs HERE THERE PASSWORD LETTER: as postier.testing.mirror says, by imapflow.
// HERE and THERE: "address port hostname ca-file user".
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';

const [here, there, password, letter] = process.argv.slice(2);

async function connect(account) {
  const [host, port, servername, ca, user] = account.split(' ');
  const client = new ImapFlow({
    host, port: Number(port), secure: true, servername, tls: { ca: readFileSync(ca), servername },
    auth: { user, pass: password }, logger: false,
  });
  await client.connect();
  return client;
}

async function names(client) {
  const listed = await client.list();
  return listed.filter((box) => !box.flags.has('\\Noselect') && !box.path.startsWith('Away')).map((box) => box.path);
}

// Flags that somebody changes meanwhile come without the message.
async function messages(client, name) {
  await client.mailboxOpen(name);
  const found = new Map();
  if (client.mailbox.exists) {
    for await (const message of client.fetch('1:*', { uid: true, flags: true, source: true }, { uid: true })) {
      const flags = [...message.flags].filter((flag) => flag !== '\\Recent').sort();
      const { uid, source = found.get(message.uid)?.source } = message;
      if (source) found.set(uid, { uid, source, text: source.toString('latin1'), flags });
    }
  }
  return [...found.values()];
}

const ours = await connect(here);
const theirs = await connect(there);
const left = await names(ours);
const right = await names(theirs);
for (const name of left) if (!right.includes(name)) await theirs.mailboxCreate(name);
for (const name of right) if (!left.includes(name)) await ours.mailboxCreate(name);
const all = [...new Set([...left, ...right])].sort();

const known = new Set();
for (const name of all) for (const message of await messages(ours, name)) known.add(message.text);
for (const name of all) {
  for (const message of await messages(theirs, name)) {
    if (!known.has(message.text) && message.text.includes(`Message-ID: <${letter}-`)) {
      await ours.append(name, message.source, message.flags);
    }
  }
}

for (const name of all) {
  const wanted = await messages(ours, name);
  const found = new Map();
  for (const message of await messages(theirs, name)) {
    found.set(message.text, [...(found.get(message.text) ?? []), message]);
  }
  for (const message of wanted) {
    const same = found.get(message.text)?.pop();
    if (!same) await theirs.append(name, message.source, message.flags);
    else if (same.flags.join() !== message.flags.join()) {
      await theirs.messageFlagsSet(String(same.uid), message.flags, { uid: true });
    }
  }
  const extra = [...found.values()].flat().map((message) => message.uid);
  if (extra.length) await theirs.messageDelete(extra.join(','), { uid: true });
}
await ours.logout();
await theirs.logout();
