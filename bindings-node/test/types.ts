// Checked by `tsc --strict`, never run: what a user writes, and what the types must refuse.

import Barque, { BarqueError, demuxStream, type ContainerInspect, type RunResult } from 'barque';

export async function uses(): Promise<void> {
  const barque = await Barque.open({ root: '/tmp/engine' });
  const result: RunResult = await barque.run('hello', ['echo', 'ahoy'], {
    Env: { A: 1 },
    HostConfig: { Memory: '64m', NetworkMode: 'none' },
    timeout: 1000,
    input: 'x',
    signal: AbortSignal.timeout(5),
  });
  const code: number = result.exitCode;
  const text: string = result.stdout.toString();

  const container = await barque.createContainer({ Image: 'hello', Cmd: ['sleep', '1'], name: 'web' });
  const inspect: ContainerInspect = await container.inspect();
  const memory: number = inspect.HostConfig.Memory;
  const whole: Buffer = await container.logs();
  const followed = await container.logs({ follow: true });
  for await (const { stream, data } of followed) process[stream].write(data);
  await demuxStream(await container.attach(), process.stdout, process.stderr);
  const { StatusCode } = await container.wait();
  const rows = await barque.api.call('container.list', { All: true });
  const id: string | undefined = rows[0]?.Id;
  try {
    await container.stop({ t: 1 });
  } catch (error) {
    if (error instanceof BarqueError) console.log(error.code, error.statusCode, error.subject?.id);
  }
  console.log(code, text, memory, whole, StatusCode, id);

  // @ts-expect-error an unknown field
  await barque.createContainer({ Image: 'hello', HostConfig: { Memroy: 1 } });
  // @ts-expect-error a number for a list
  await barque.run('hello', 3);
  // @ts-expect-error no such operation
  await barque.api.call('container.paint', {});
  // @ts-expect-error a stream's operation answers with no document
  await barque.api.call('container.logs', {});
  // @ts-expect-error a buffer, since it does not follow
  for await (const chunk of await container.logs()) console.log(chunk.stream);
}
