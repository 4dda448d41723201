import { once } from 'node:events';
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { imageFetcher } from '../../src/image/download.ts';
import { networkSettings } from '../../src/network/settings.ts';
import { pictureKey, thumbnails } from '../../src/output/report/thumbnails.ts';
import { fixture } from '../paths.ts';

const image = (name: string) => fixture(`images/${name}`);
const named = (name: string) => ({ image: image(name) });
const noFetch = async () => expect.fail('nothing is to be fetched');
const size = async (address = '') => {
  const [, type, base64 = ''] = /^data:image\/(\w+);base64,(.*)$/.exec(address) ?? [];
  const { format, width, height } = await sharp(Buffer.from(base64, 'base64')).metadata();
  expect(format).toBe(type);
  return [width, height];
};

describe('thumbnails', () => {
  it('are upright, small, and never enlarged', async () => {
    const made = await thumbnails(['turned.jpg', 'tall-strip.png', 'rgba.png'].map(named), { maxPixels: 1e8 }, noFetch);
    expect(await size(made.get(image('turned.jpg')))).toEqual([40, 70]); // 70 × 40 in the file, turned by its EXIF
    expect(await size(made.get(image('tall-strip.png')))).toEqual([2, 240]); // 3 × 400
    expect(await size(made.get(image('rgba.png')))).toEqual([90, 60]);
  });

  it('keep the limits, and skip images that cannot be read', async () => {
    const given = [
      named('rgb.png'),
      named('one-pixel.png'),
      { image: 'nothing.png' },
      { image: fixture('../paths.ts') },
    ];
    const made = await thumbnails(given, { maxPixels: 1_000 }, noFetch);
    expect([...made.keys()]).toEqual([image('one-pixel.png')]);
  });

  it('are made for different paths that are not valid UTF-8', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'thumbnails-'));
    const odd = (byte: number, name: string) => {
      const pathBytes = Buffer.concat([Buffer.from(`${folder}/`), Buffer.from([byte]), Buffer.from('.png')]);
      return { pathBytes, image: pathBytes.toString(), copied: copyFile(image(name), pathBytes) };
    };
    const [wide, narrow] = [odd(0xff, 'rgba.png'), odd(0xfe, 'tall-strip.png')];
    await Promise.all([wide.copied, narrow.copied]);
    const made = await thumbnails([wide, narrow], { maxPixels: 1e8 }, noFetch);
    expect(await size(made.get(pictureKey(wide)))).toEqual([90, 60]);
    expect(await size(made.get(pictureKey(narrow)))).toEqual([2, 240]);
    await rm(folder, { recursive: true });
  });

  it('are made for URLs, from a real server', async () => {
    const server = createServer(async (_, response) => response.end(await readFile(image('rgba.png'))));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.png`;
    const made = await thumbnails(
      [{ image: url }],
      { maxPixels: 1e8 },
      imageFetcher(() => networkSettings({})),
    );
    expect(await size(made.get(url))).toEqual([90, 60]);
    server.close();
    server.closeAllConnections();
    const offline = imageFetcher(() => networkSettings({}, true));
    expect(await thumbnails([{ image: url }], { maxPixels: 1e8 }, offline)).toEqual(new Map());
  });
});
