import { loadModel } from '../clip.ts';
import { toPlain } from '../embed/messages.ts';
import { explainImage } from '../explain.ts';
import type { ExplainOrder, ExplainReply } from './explain-process.ts';

/** The child's end of the channel between the processes; node's `process` is one. */
export interface Channel {
  send?(reply: ExplainReply): unknown;
  once(event: 'message', heard: (order: ExplainOrder) => void): unknown;
}

/** Draws one heat map for the parent process. */
export function serveExplanation(channel: Channel): void {
  channel.once('message', (order) => {
    explain(order).then(
      (reply) => channel.send?.(reply),
      (error) => channel.send?.({ error: toPlain(error), isImage: false }),
    );
  });
}

async function explain({ model, name, bytes, label, templates, decode, threads }: ExplainOrder): Promise<ExplainReply> {
  const clip = await loadModel(model, { few: true, cache: false });
  const options = { ...decode, ...(templates && { templates }), ...(threads && { threads }) };
  const explanation = await explainImage(clip, { name, bytes }, label, options);
  if (!explanation.ok) return { error: toPlain(explanation.error), isImage: true };
  return { png: await explanation.overlay() };
}
