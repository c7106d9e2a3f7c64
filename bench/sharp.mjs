// Renditions by sharp, one picture at a time: `node sharp.mjs FOLDER_OF_SHARP EFFORT` reads lines of JSON
// lists of files, and answers each with one line {seconds, bytes}.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [, , home, effort] = process.argv;
const sharp = createRequire(`${home}/`)('sharp');
sharp.concurrency(1);
sharp.cache(false);
const WIDTHS = [236, 474, 736, 1200];

async function renditions(file) {
  // Decoded once, upright and sRGB; the widest first, the others from its pixels.
  const { data, info } = await sharp(readFileSync(file))
    .rotate().toColourspace('srgb').resize({ width: WIDTHS.at(-1), withoutEnlargement: true })
    .raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: info.channels };
  const widths = WIDTHS.filter((_, i) => i === 0 || WIDTHS[i - 1] < info.width);
  let bytes = 0;
  for (const width of widths) {
    const image = sharp(data, { raw });
    if (width < info.width) image.resize({ width });
    bytes += (await image.webp({ quality: 80, effort: Number(effort) }).toBuffer()).length;
  }
  return bytes;
}

for await (const line of createInterface({ input: process.stdin })) {
  const start = performance.now();
  let bytes = 0;
  for (const file of JSON.parse(line)) bytes += await renditions(file);
  console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000, bytes }));
}
