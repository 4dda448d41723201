// Sockets that systemd has opened for this process (sd_listen_fds(3)): they follow the three standard streams.
import { isSupervised } from './supervisor.js';

/** The number of these sockets. The variables are removed, because a child process could take them for its own. */
export function takeSockets(env) {
  const { LISTEN_PID, LISTEN_FDS } = env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name];
  const isOurs = Number(LISTEN_PID) === process.pid || (isSupervised && Number(LISTEN_PID) === process.ppid);
  return isOurs ? Number(LISTEN_FDS) || 0 : 0;
}
