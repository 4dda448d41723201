/** Whether a path names a learned classifier. */
export function isLearnedFile(path: string): boolean {
  return /\.clf\.json$/iu.test(path);
}
