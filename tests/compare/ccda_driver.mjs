// `ccda_driver.mjs [--write FOLDER] FILE...`: as ccda_driver.py, for @medplum/ccda.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { convertCcdaToFhir, convertXmlToCcda } from '@medplum/ccda';

const convert = (bytes) => JSON.stringify(convertCcdaToFhir(convertXmlToCcda(bytes.toString('utf8'))));

function run(bytes) {
  try {
    return JSON.parse(convert(bytes)).entry.length;
  } catch {
    return 0;
  }
}

function repeat(bytes, seconds, atLeast) {
  const took = [];
  let found = 0;
  const start = process.hrtime.bigint();
  while (Number(process.hrtime.bigint() - start) < seconds * 1e9 || took.length < atLeast) {
    const one = process.hrtime.bigint();
    found = run(bytes);
    took.push(Number(process.hrtime.bigint() - one) / 1e3);
  }
  took.sort((a, b) => a - b);
  return [took[Math.floor(took.length / 2)], found];
}

const files = process.argv.slice(2);
if (files[0] === '--write') {
  const folder = files[1];
  mkdirSync(folder, { recursive: true });
  for (const file of files.slice(2)) {
    try {
      writeFileSync(join(folder, `${basename(dirname(file))}.${basename(file)}.json`), convert(readFileSync(file)));
    } catch {
      // A file that it refuses has no output.
    }
  }
} else {
  const seconds = Math.min(1, 10 / files.length);
  for (const file of files) {
    const bytes = readFileSync(file);
    repeat(bytes, seconds / 3, 1);
    const [median, found] = repeat(bytes, seconds, 3);
    console.log(`${basename(file)}\t${median.toFixed(1)}\t${found}`);
  }
}
