// token.mjs SERVER PERSON TOKEN: imapflow and nodemailer log in with an access token and print what they got, as JSON.
// SERVER: "address imap-port submission-port hostname ca-file".
import { readFileSync } from 'node:fs';
import { ImapFlow } from 'imapflow';
import nodemailer from 'nodemailer';

const [server, user, accessToken] = process.argv.slice(2);
const [host, imapPort, smtpPort, servername, ca] = server.split(' ');
const tls = { ca: readFileSync(ca), servername };
const said = {};
const imap = new ImapFlow({ host, port: Number(imapPort), secure: true, tls, servername, auth: { user, accessToken }, logger: false });
imap.on('error', () => {});
try {
  await imap.connect();
  said.imap = (await imap.list()).some(({ path }) => path === 'INBOX');
  await imap.logout();
} catch (error) {
  said.imap = error.responseText ?? error.message;
}
const smtp = nodemailer.createTransport({ host, port: Number(smtpPort), secure: true, tls, auth: { type: 'OAuth2', user, accessToken } });
try {
  const sent = await smtp.sendMail({ from: user, to: user, subject: 'by token', text: 'Hello' });
  said.smtp = sent.accepted.length === 1;
} catch (error) {
  said.smtp = error.response ?? error.message;
}
smtp.close();
console.log(JSON.stringify(said));
process.exit(0); // imapflow keeps a connection on which it was refused
