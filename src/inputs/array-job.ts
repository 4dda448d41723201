import { UsageError } from '../errors.ts';
import { parseShard, type Shard } from './shard.ts';

/** A given shard, or the shard that the scheduler gives; the user may give the number of shards. */
export type ShardChoice = Shard | { readonly auto: true; readonly of?: number };

/** @throws UsageError if the text is not i/n, auto or auto/n */
export function parseShardChoice(text: string): ShardChoice {
  const [, of] = /^auto(?:\/(\d{1,6}))?$/u.exec(text) ?? [];
  if (text === 'auto') return { auto: true };
  if (of !== undefined && Number(of) >= 1) return { auto: true, of: Number(of) };
  return parseShard(text);
}

type Env = Readonly<Record<string, string | undefined>>;

/** The shard of a task of an array job, and the variable that it comes from. */
export interface TaskShard {
  readonly shard: Shard;
  readonly told: string;
}

/**
 * The shard of this task, from the variables of its scheduler.
 *
 * @throws UsageError if these variables are missing or incomplete
 */
export function shardOfTask(env: Env, of?: number): TaskShard {
  if (isSet(env, 'SLURM_ARRAY_TASK_ID')) return ofSlurm(env, of);
  if (isSet(env, 'AWS_BATCH_JOB_ARRAY_INDEX')) {
    const size = of ?? (isSet(env, 'AWS_BATCH_JOB_ARRAY_SIZE') ? number(env, 'AWS_BATCH_JOB_ARRAY_SIZE') : undefined);
    return fromZero(env, 'AWS_BATCH_JOB_ARRAY_INDEX', size);
  }
  if (isSet(env, 'JOB_COMPLETION_INDEX')) return fromZero(env, 'JOB_COMPLETION_INDEX', of);
  throw new UsageError(
    '--shard auto finds no array job: SLURM_ARRAY_TASK_ID, JOB_COMPLETION_INDEX and AWS_BATCH_JOB_ARRAY_INDEX are not set',
    'use --shard i/n, such as --shard 1/8',
  );
}

/** Any range with one step: `--array=5-20:5` has four tasks. */
function ofSlurm(env: Env, of: number | undefined): TaskShard {
  const id = number(env, 'SLURM_ARRAY_TASK_ID');
  const count = number(env, 'SLURM_ARRAY_TASK_COUNT');
  const [least, most] = [number(env, 'SLURM_ARRAY_TASK_MIN'), number(env, 'SLURM_ARRAY_TASK_MAX')];
  const step = isSet(env, 'SLURM_ARRAY_TASK_STEP') ? number(env, 'SLURM_ARRAY_TASK_STEP') : 1;
  const part = (id - least) / step + 1;
  const isWhole = most === least + (count - 1) * step && Number.isInteger(part) && part >= 1 && part <= count;
  // A single task that is run again is an array of one task.
  if (!isWhole || (of ?? count) !== count || (count === 1 && of === undefined))
    throw new UsageError(
      `the Slurm array has ${count} ${count === 1 ? 'task' : 'tasks'} (${least} to ${most}), which ${of === undefined ? 'does not tell all shares' : `is not ${of}`}`,
      'use --shard i/n to run one share again, or an array such as --array=1-8',
    );
  return { shard: { part, of: count }, told: `SLURM_ARRAY_TASK_ID=${id}` };
}

function fromZero(env: Env, variable: string, of: number | undefined): TaskShard {
  const index = number(env, variable);
  if (of === undefined)
    throw new UsageError(`${variable} is ${index}, but nothing says of how many`, 'add the number: --shard auto/8');
  if (index >= of)
    throw new UsageError(`${variable} is ${index}, but there are ${of} shares`, 'make both numbers the same');
  return { shard: { part: index + 1, of }, told: `${variable}=${index}` };
}

function isSet(env: Env, variable: string): boolean {
  return (env[variable] ?? '') !== '';
}

function number(env: Env, variable: string): number {
  const text = env[variable] ?? '';
  if (/^\d{1,9}$/u.test(text)) return Number(text);
  throw new UsageError(`${variable} is ${JSON.stringify(text)}, not a number`, 'use --shard i/n, such as --shard 1/8');
}
