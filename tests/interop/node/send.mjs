// send.mjs SERVER PASSWORD JOB: nodemailer sends what JOB (JSON) says and prints what it got, as JSON.
// SERVER: "address port hostname ca-file user". JOB: { options: of the transport, messages: [...] }.
import { readFileSync } from 'node:fs';
import nodemailer from 'nodemailer';

const [server, password, job] = process.argv.slice(2);
const [host, port, servername, ca, user] = server.split(' ');
const { options, messages } = JSON.parse(job);
const transport = nodemailer.createTransport({
  host, port: Number(port), secure: port.endsWith('465'), requireTLS: !port.endsWith('465'),
  tls: { ca: readFileSync(ca), servername }, auth: { user, pass: password }, ...options,
});
const sent = await Promise.allSettled(messages.map((message) => transport.sendMail(message)));
transport.close();
console.log(JSON.stringify(sent.map(({ value, reason }) => (value
  ? { accepted: value.accepted, rejected: value.rejected ?? [], response: value.response }
  : { code: reason.responseCode, command: reason.command, response: reason.response }))));
