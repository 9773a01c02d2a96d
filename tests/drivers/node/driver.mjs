// Runs scenario steps through the Node package: the protocol is described in tests/src/faces/driver.rs.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { Barque, BarqueError, DocumentStream, ProgressStream } = await import(pathToFileURL(join(process.env.BARQUE_PACKAGE, 'dist/esm.mjs')));

const frame = (kind, data) => {
  process.stdout.write(`${kind} ${data.length}\n`);
  process.stdout.write(data);
};

/** The error document, put together again from what the error shows its catcher. */
function errorDocument(error) {
  if (!(error instanceof BarqueError)) return { kind: 'driver', message: `${error?.name}: ${error?.message}` };
  const causes = [];
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) causes.push(cause.message);
  return {
    kind: error.code.toLowerCase(),
    status: error.statusCode,
    reason: error.reason,
    subject: error.subject ?? null,
    message: error.json.message,
    causes,
    errno: error.errno ?? null,
  };
}

/** One engine and its open streams. */
class Driver {
  streams = new Map();

  async open(_id, _operation, data) {
    this.barque = await Barque.open({ root: data.toString() });
  }

  async call(_id, operation, data) {
    if (operation === 'container.connect') {
      const { Id, Port, TimeoutMs } = JSON.parse(data.toString());
      const socket = await this.barque.getContainer(Id).connect({ port: Port, timeout: TimeoutMs });
      let heard = '';
      for await (const chunk of socket) heard += chunk;
      return { Heard: heard };
    }
    return this.barque.api[method(operation)](JSON.parse(data.toString() || '{}'));
  }

  async begin(id, operation, data) {
    this.streams.set(id, await this.barque.api[method(operation)](JSON.parse(data.toString() || '{}')));
  }

  input(id, _operation, data) {
    const stream = this.streams.get(id);
    return data.length ? stream.write(data) : stream.end();
  }

  cancel(id) {
    this.streams.get(id).close();
  }

  async end(id) {
    const stream = this.streams.get(id);
    this.streams.delete(id);
    if (stream instanceof ProgressStream) {
      for await (const line of stream) frame('document', Buffer.from(JSON.stringify(line)));
      frame('document', Buffer.from(JSON.stringify(stream.result)));
      return;
    }
    if (stream instanceof DocumentStream) {
      for await (const document of stream) frame('document', Buffer.from(JSON.stringify(document)));
      return;
    }
    for await (const { stream: output, data } of stream) frame(output, data);
    if (stream.exit) frame('document', Buffer.from(JSON.stringify(stream.exit)));
  }

  close() {
    for (const stream of this.streams.values()) stream.close();
    this.barque.close();
  }
}

/** `container.start` is `containerStart`. */
const method = (operation) => operation.replace(/\.(.)/, (_, letter) => letter.toUpperCase());

/** What is asked, frame by frame. */
async function* asked() {
  let rest = Buffer.alloc(0);
  for await (const piece of process.stdin) {
    rest = Buffer.concat([rest, piece]);
    for (;;) {
      const line = rest.indexOf('\n');
      if (line < 0) break;
      const [verb, id, operation, length] = rest.subarray(0, line).toString().split(' ');
      const end = line + 1 + Number(length);
      if (rest.length < end) break;
      yield { verb, id, operation, data: Buffer.from(rest.subarray(line + 1, end)) };
      rest = rest.subarray(end);
    }
  }
}

const driver = new Driver();
for await (const { verb, id, operation, data } of asked()) {
  try {
    const answer = await driver[verb](id, operation, data);
    frame('ok', Buffer.from(JSON.stringify(answer ?? {})));
  } catch (error) {
    frame('error', Buffer.from(JSON.stringify(errorDocument(error))));
  }
  if (verb === 'close') break;
}
process.stdin.destroy();
