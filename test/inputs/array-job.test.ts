import { describe, expect, it } from 'vitest';
import { parseShardChoice, shardOfTask } from '../../src/inputs/array-job.ts';

/** Slurm's variables for a task of `--array=least-most:step`. */
const slurm = (id: number, least: number, most: number, step = 1) => ({
  SLURM_ARRAY_TASK_ID: String(id),
  SLURM_ARRAY_TASK_COUNT: String(Math.floor((most - least) / step) + 1),
  SLURM_ARRAY_TASK_MIN: String(least),
  SLURM_ARRAY_TASK_MAX: String(least + Math.floor((most - least) / step) * step),
  SLURM_ARRAY_TASK_STEP: String(step),
});
const share = (env: Record<string, string>, of?: number) => {
  const { shard } = shardOfTask(env, of);
  return `${shard.part}/${shard.of}`;
};

describe('--shard auto', () => {
  it('accepts any range of a Slurm array', () => {
    expect([1, 2, 8].map((id) => share(slurm(id, 1, 8)))).toEqual(['1/8', '2/8', '8/8']);
    expect([0, 3].map((id) => share(slurm(id, 0, 3)))).toEqual(['1/4', '4/4']);
    expect([5, 10, 15, 20].map((id) => share(slurm(id, 5, 20, 5)))).toEqual(['1/4', '2/4', '3/4', '4/4']);
  });

  it('refuses an array that does not contain all shards: one task run again, or a list with gaps', () => {
    expect(() => share(slurm(7, 7, 7))).toThrow('the Slurm array has 1 task (7 to 7)');
    expect(() => share({ ...slurm(4, 1, 7), SLURM_ARRAY_TASK_COUNT: '3' })).toThrow('3 tasks (1 to 7)');
    expect(() => share(slurm(1, 1, 8), 9)).toThrow('which is not 9');
    expect(share(slurm(1, 1, 1), 1)).toBe('1/1');
  });

  it('counts from 0 in Kubernetes, which does not give the number of tasks, and in AWS Batch, which does', () => {
    expect(share({ JOB_COMPLETION_INDEX: '0' }, 16)).toBe('1/16');
    expect(share({ JOB_COMPLETION_INDEX: '15' }, 16)).toBe('16/16');
    expect(() => share({ JOB_COMPLETION_INDEX: '3' })).toThrow('--shard auto/8');
    expect(() => share({ JOB_COMPLETION_INDEX: '16' }, 16)).toThrow('there are 16 shares');
    expect(share({ AWS_BATCH_JOB_ARRAY_INDEX: '2', AWS_BATCH_JOB_ARRAY_SIZE: '10' })).toBe('3/10');
  });

  it('needs an array job and numbers', () => {
    expect(() => share({})).toThrow('finds no array job');
    expect(() => share({ JOB_COMPLETION_INDEX: 'x' }, 4)).toThrow('JOB_COMPLETION_INDEX is "x", not a number');
    expect(parseShardChoice('auto/8')).toEqual({ auto: true, of: 8 });
    expect(parseShardChoice('2/8')).toEqual({ part: 2, of: 8 });
    for (const wrong of ['auto/0', 'auto/', 'automatic', '9/8']) expect(() => parseShardChoice(wrong)).toThrow();
  });
});
