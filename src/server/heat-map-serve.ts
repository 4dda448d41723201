import { loadModel } from '../clip.ts';
import { toPlain } from '../embed/messages.ts';
import { explainImage } from '../explain.ts';
import { l2Normalize } from '../tensor.ts';
import type { HeatMapOrder, HeatMapReply } from './heat-maps.ts';

/** The child's end of the channel between the processes; node's `process` is one. */
export interface Channel {
  send?(reply: HeatMapReply): unknown;
  once(event: 'message', heard: (order: HeatMapOrder) => void): unknown;
}

/** Draws one heat map for the parent process. */
export function serveHeatMap(channel: Channel): void {
  channel.once('message', (order) => {
    draw(order).then(
      (reply) => channel.send?.(reply),
      (error) => channel.send?.({ error: toPlain(error), isImage: false }),
    );
  });
}

async function draw({ model, threads, name, bytes, label, row, decode }: HeatMapOrder): Promise<HeatMapReply> {
  const loaded = await loadModel(model, { few: true, cache: false });
  const rows = l2Normalize({ rows: 1, columns: row.length, data: row });
  const clip = { ...loaded, encodeLabels: async () => ({ rows, truncated: [] }) };
  const options = { ...decode, ...(threads !== undefined && { threads }) };
  const explanation = await explainImage(clip, { name, bytes }, label, options);
  if (!explanation.ok) return { error: toPlain(explanation.error), isImage: true };
  return { png: await explanation.overlay() };
}
