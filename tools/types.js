// Joins the declarations that tsc wrote into one file, dist/bundle/index.d.ts, with a copy index.d.cts for require(). The package
// publishes no declarations of its inner files. Run by npm run build, after tools/bundle.js.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import ts from 'typescript';

const repository = fileURLToPath(new URL('..', import.meta.url));
const file = join(repository, 'dist/bundle/index.d.ts');

const joined = await rollup({
  input: join(repository, 'dist/index.d.ts'),
  plugins: [dts()],
  external: ['valibot', /^node:/],
});
await joined.write({ file });
const types = withoutSchemas(file);
await writeFile(file, types);
await writeFile(file.replace('.d.ts', '.d.cts'), types); // for require()

/** The file with the types that schemas of valibot infer written out, because valibot is not installed with the package. */
function withoutSchemas(path) {
  const program = ts.createProgram([path], { module: ts.ModuleKind.NodeNext, strict: true, types: ['node'] });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path);
  const flags =
    ts.NodeBuilderFlags.NoTruncation | ts.NodeBuilderFlags.InTypeAlias | ts.NodeBuilderFlags.MultilineObjectLiterals;
  const print = (node) => ts.createPrinter().printNode(ts.EmitHint.Unspecified, node, source);
  let text = source.text;
  for (const statement of [...source.statements].reverse()) {
    const own = statement.getText();
    if (!/\bv\.|'valibot'/u.test(own)) continue;
    const replacement = ts.isTypeAliasDeclaration(statement)
      ? `type ${statement.name.text} = ${print(checker.typeToTypeNode(checker.getTypeAtLocation(statement.name), statement, flags))};`
      : '';
    text = text.slice(0, statement.getStart()) + replacement + text.slice(statement.end);
  }
  return text;
}
