// Loaded before the program: its file system has no hard links, as FAT and some network disks.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const refuse = async () => {
  throw Object.assign(new Error('ENOTSUP: operation not supported on socket, link'), {
    code: 'ENOTSUP',
    syscall: 'link',
  });
};
fs.promises.link = refuse;
syncBuiltinESMExports();
