import { execFileSync } from 'node:child_process';
import { availableParallelism, totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { usableCores, usableMemory } from '../../src/disk/machine.ts';

describe('this machine', () => {
  it('has at least one core, and no more than the system says', () => {
    expect(usableCores()).toBeGreaterThanOrEqual(1);
    expect(usableCores()).toBeLessThanOrEqual(availableParallelism());
  });

  it('has memory, and no more than the system says', () => {
    expect(usableMemory()).toBeGreaterThan(0);
    expect(usableMemory()).toBeLessThanOrEqual(totalmem());
  });

  it('has the cores of its cgroup, if one can be made (Linux as root; otherwise nothing is tested)', () => {
    const program = `import { usableCores, usableMemory } from ${JSON.stringify(new URL('../../dist/disk/machine.js', import.meta.url).href)};
      console.log(usableCores(), usableMemory() <= 300e6)`;
    const script = `root=/sys/fs/cgroup; for one in cpu memory; do
        mkdir $root/$one/machine-$$ 2>/dev/null || exit 77; done
      trap 'echo $$ > $root/cpu/cgroup.procs; echo $$ > $root/memory/cgroup.procs; rmdir $root/cpu/machine-$$ $root/memory/machine-$$' EXIT
      echo 100000 > $root/cpu/machine-$$/cpu.cfs_quota_us || exit 77
      echo 300000000 > $root/memory/machine-$$/memory.limit_in_bytes || exit 77
      echo $$ > $root/cpu/machine-$$/cgroup.procs; echo $$ > $root/memory/machine-$$/cgroup.procs
      "${process.execPath}" --input-type=module -e "$PROGRAM"`;
    let said: string;
    try {
      said = execFileSync('bash', ['-c', script], { encoding: 'utf8', env: { ...process.env, PROGRAM: program } });
    } catch (error) {
      if ((error as { status?: number }).status === 77) return;
      throw error;
    }
    expect(said).toBe('1 true\n');
  });
});
