// Where a path leads to a disk that may not answer (a network disk, FUSE), the run gets a process of its own. A thread that
// waits for such a disk cannot be ended, not even by SIGKILL, and a process with such a thread never exits: this one starts
// the run, hands signals on to it, and leaves in time with its exit code.
import { readFileSync, readlinkSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CODES, isHangUpIgnored } from './signals.js';

const MARK = 'CLIP_CLASSIFY_SUPERVISED';

/** File systems that never keep a reader waiting. */
const LOCAL =
  /^(ext[234]|xfs|btrfs|zfs|f2fs|overlay|aufs|tmpfs|ramfs|devtmpfs|devpts|proc|sysfs|cgroup2?|rootfs|squashfs|erofs|iso9660|vfat|exfat|ntfs3?|apfs|hfsplus|bcachefs|jfs|reiserfs|mqueue|hugetlbfs|bpf|tracefs|debugfs|securityfs|pstore|configfs|fusectl|binfmt_misc|nsfs|efivarfs|selinuxfs|rpc_pipefs)$/u;

/** Variables that name files or folders which are read or written. */
const VARIABLES = [
  'CLIP_CLASSIFY_CACHE',
  'CLIP_CLASSIFY_MODEL',
  'XDG_CACHE_HOME',
  'HOME',
  'HF_HOME',
  'HF_HUB_CACHE',
  'HUGGINGFACE_HUB_CACHE',
  'HF_TOKEN_PATH',
];

/** What is asked to end must do so within two seconds. */
const PATIENCE_MS = 1500;
/** What has said its exit code is waited for so long. */
const EXIT_MS = 300;
/** Each file that does not answer keeps a thread. */
const THREADS = '64';

/** Whether this is the process that runs under a supervisor. */
export const isSupervised = process.env[MARK] === '1' && process.send !== undefined;

/** Whether anything that is named may lie on a disk that does not answer. */
export function needsSupervisor() {
  if (isSupervised) return false;
  const mounts = distantMounts();
  if (mounts.size === 0) return false;
  const words = process.argv.slice(2);
  if (/^(eval|learn)$/u.test(words[0] ?? '')) return true; // a CSV file names more files, which are not known yet
  if (words.some((word) => /^--(files-from|from|undo|cache-images|follow)\b/u.test(word))) return true; // these too
  const named = words.flatMap(namedBy);
  const variables = VARIABLES.map((name) => process.env[name]).filter(Boolean);
  if (['.', ...named, ...variables].some((path) => leadsInto(path, mounts))) return true;
  const above = named.map((path) => join(resolve(path), '/')); // a folder is searched with the disks that are mounted below it
  return [...mounts].some((mount) => above.some((path) => mount.startsWith(path)));
}

/** The paths that a word of the command line may name. Of a pattern, its folder. */
function namedBy(word) {
  const value = word.replace(/^--?[\w-]+=|^-[a-zA-Z](?=.)/u, '');
  const paths = [word, value, ...value.split(',').map((part) => part.trim().replace(/^@/u, ''))];
  return paths
    .filter((path) => path !== '')
    .map((path) => (/^file:\//iu.test(path) ? pathOf(path) : path.replace(/[^/]*[*?[{].*$/su, '') || '.'));
}

function pathOf(address) {
  try {
    return fileURLToPath(address);
  } catch {
    return address;
  }
}

function distantMounts() {
  const mounts = new Set();
  try {
    for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
      const [place = '', kind = ''] = line.split(' - ');
      const point = (place.split(' ')[4] ?? '').replace(/\\([0-7]{3})/gu, (_, octal) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      );
      if (point !== '' && !LOCAL.test(kind.split(' ')[0])) mounts.add(point);
    }
  } catch {
    // not Linux
  }
  return mounts;
}

/** Follows a path without touching a mount. */
function leadsInto(path, mounts, links = 0) {
  const parts = resolve(path).split('/').slice(1);
  let at = '/';
  for (const [n, part] of parts.entries()) {
    at = join(at, part);
    if (mounts.has(at)) return true;
    const target = linkTarget(at);
    if (target !== undefined)
      return links < 40 && leadsInto(resolve(dirname(at), target, ...parts.slice(n + 1)), mounts, links + 1);
  }
  return false;
}

function linkTarget(path) {
  try {
    return readlinkSync(path);
  } catch {
    return undefined; // not a link
  }
}

/** Sockets of systemd keep their numbers; the channel to this process comes after them. */
function sockets() {
  const { LISTEN_PID, LISTEN_FDS } = process.env;
  const count = Number(LISTEN_PID) === process.pid ? Number(LISTEN_FDS) || 0 : 0;
  return Array.from({ length: Math.min(count, 16) }, (_, n) => n + 3);
}

/** Starts this command line again, in a process that is watched. */
export async function startSupervised() {
  const { spawn } = await import('node:child_process');
  const { execPath, execArgv, argv, env } = process;
  const child = spawn(execPath, [...execArgv, ...argv.slice(1)], {
    stdio: ['inherit', 'inherit', 'inherit', ...sockets(), 'ipc'],
    env: { ...env, [MARK]: '1', UV_THREADPOOL_SIZE: env.UV_THREADPOOL_SIZE ?? THREADS },
  });
  let asked = false;
  const leave = (code) => {
    child.kill('SIGKILL');
    process.exit(code);
  };
  for (const [signal, code] of Object.entries(CODES)) {
    process.on(signal, () => {
      if (signal === 'SIGHUP' && isHangUpIgnored()) return;
      if (asked) leave(code);
      asked = true;
      if (child.connected) child.send(signal, () => {});
      setTimeout(leave, PATIENCE_MS, code);
    });
  }
  child.on('message', (code) => setTimeout(leave, EXIT_MS, code));
  child.on('error', (error) => {
    process.stderr.write(`clip-classify: error: the run cannot be started: ${error.message}\n`);
    process.exit(2);
  });
  child.on('exit', (code, signal) => process.exit(code ?? CODES[signal] ?? 2));
}

/**
 * Ties this process to its supervisor, if it has one.
 *
 * @param end told of a signal
 * @returns what says the exit code
 */
export function underSupervisor(end) {
  if (!isSupervised) return () => {};
  process.on('message', end);
  process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
  process.channel.unref();
  import('./parent.js').then(({ endWithParent }) => endWithParent(process.ppid));
  return (code) => process.send(code, () => process.channel.unref());
}
