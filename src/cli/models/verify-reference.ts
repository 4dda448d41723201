import { ModelError } from '../../errors.ts';
import { checkReference, type ReferenceCheck } from '../../reference.ts';
import type { Io } from '../io.ts';
import { print } from './print.ts';

/** `models verify --reference`: compares a model with PyTorch. @throws ModelError if they differ */
export async function verifyReference(model: string, json: true | undefined, io: Io): Promise<void> {
  const check = await checkReference(model, { env: io.env, signal: io.interruption });
  await print(io, json, check, `${check.model}: ${outcome(check)}\n`);
  if (check.good) return;
  throw new ModelError(
    `${check.model} does not compute what PyTorch computes: a cosine differs by ${check.worst?.toPrecision(2)}`,
    `run clip-classify models verify ${model}, then clip-classify doctor`,
  );
}

function outcome({ compared, source, worst = 0, limit, good }: ReferenceCheck): string {
  if (source === undefined) {
    return `ran, but no values are recorded to compare its ${compared} cosines with (models/reference/record.py records them)`;
  }
  const difference = `the greatest difference is ${worst.toExponential(1)}, the limit ${limit}`;
  return `${compared} cosines ${good ? 'agree' : 'DO NOT AGREE'} with ${source}: ${difference}`;
}
