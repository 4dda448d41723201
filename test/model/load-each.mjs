// Loads and runs each model folder of the command line in this one process, and tells of each in a line of JSON.
import { existsSync } from 'node:fs';
import { createClassifier, loadModel } from '../../dist/index.js';

const [image, ...folders] = process.argv.slice(2);
for (const folder of folders) {
  process.stdout.write(`${JSON.stringify({ folder })}\n`); // the last one without an answer is the one that killed it
  const start = performance.now();
  const answer = {};
  const scale = existsSync(`${folder}/vision_model.onnx`) ? { logitScale: 40 } : {};
  try {
    const model = await loadModel(folder, { threads: 1, ...scale, cache: false, timeout: 5 });
    try {
      const classifier = await createClassifier(model, ['cat', 'dog']);
      for await (const result of classifier.classify([image])) {
        if (result.ok) answer.scores = result.labels.map(({ score }) => score);
        else answer.code = result.error.code;
      }
    } finally {
      await model.release();
    }
  } catch (error) {
    Object.assign(answer, { code: String(error.code), message: String(error.message) });
  }
  process.stdout.write(`${JSON.stringify({ folder, ms: performance.now() - start, ...answer })}\n`);
}
