// A file of its own: bundled, a dynamic import of this CommonJS package has no named exports.
export { parseAllDocuments } from 'yaml';
