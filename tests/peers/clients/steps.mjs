// What the scripts for node share: a step is tried, its outcome is one line of JSON.
export const base = process.env.BASE;
export const token = process.env.TOKEN ?? '';
export const packages = process.env.PACKAGES;
let failures = 0;

function say(step, outcome, said = '') {
  console.log(JSON.stringify({ step, outcome, said: String(said).slice(0, 400) }));
}

export async function step(name, body) {
  try {
    const value = await body();
    say(name, 'passed');
    return value;
  } catch (error) {
    failures += 1;
    const data = error.response?.data ?? error.body ?? '';
    const place = (error.stack ?? '').split('\n').find((line) => line.includes('clients/')) ?? '';
    say(name, 'failed', `${error.message} ${JSON.stringify(data).slice(0, 200)} ${place.split('/').pop()}`);
    return undefined;
  }
}

export function waits(name, why) {
  say(name, 'waits', why);
}

export function is(left, right) {
  const [a, b] = [JSON.stringify(left), JSON.stringify(right)];
  if (a !== b) throw new Error(`got ${a}, expected ${b}`);
}

export async function status(expected, call) {
  let got = 'no error';
  try {
    await call();
  } catch (error) {
    got = error.response?.status ?? error.status ?? error.statusCode ?? error.message;
  }
  if (![expected].flat().includes(got)) throw new Error(`got ${got}, expected ${expected}`);
}

export function end() {
  process.exitCode = failures ? 1 : 0;
}
