import { toJsonSchema } from '@valibot/to-json-schema';
import * as v from 'valibot';
import { list, named } from './answer-schemas.ts';
import * as embeddingsRequest from './embeddings.ts';
import * as huggingFaceRequest from './hugging-face.ts';
import { IMAGE } from './images.ts';
import { PARAMETERS, type QueryName } from './parameters.ts';
import type { JsonSchema, MediaTypes, Operation } from './route.ts';

const bytes = { type: 'string', format: 'binary' } as const;
const text = { type: 'string' } as const;
const share = { type: 'number', minimum: 0, maximum: 1 } as const;
const flag = { type: 'boolean' } as const;

/** What the parameters of an address and the fields of a form hold. */
const FIELDS: Readonly<Record<QueryName, { readonly description: string; readonly schema: JsonSchema }>> = {
  labels: { description: 'labels to choose from, separated by commas; repeatable', schema: list(text) },
  template: { description: 'prompt template, or the name of a template set; repeatable', schema: list(text) },
  top: {
    description: 'how many labels an image has, 5 if absent; or all',
    schema: { anyOf: [{ type: 'integer', minimum: 1 }, { const: 'all' }] },
  },
  about: { description: 'what the labels are, such as food', schema: text },
  level: {
    description: 'the level of labels with parents that is ranked; 1 is the widest',
    schema: { type: 'integer', minimum: 1 },
  },
  background: { description: 'add a background class made of neutral prompts', schema: flag },
  'background-prompt': { description: 'add a background class with this prompt; repeatable', schema: list(text) },
  threshold: { description: 'give no label if the best score is below this', schema: share },
  'min-margin': { description: 'give no label if the best score leads the second-best by less', schema: share },
  'multi-label': { description: 'score each label independently', schema: flag },
  'no-exif': { description: 'do not rotate the image according to its EXIF orientation', schema: flag },
  page: { description: 'page of a TIFF, frame of a GIF or WebP', schema: { type: 'integer', minimum: 1 } },
  'background-colour': { description: 'put a transparent picture on this colour', schema: text },
  resize: { description: 'how the image is resampled', schema: schemaOf(PARAMETERS.resize) },
};

/** Parameters that say how an image is read. */
const DECODING: readonly string[] = ['name', 'no-exif', 'page', 'background-colour', 'resize'];

const PARAMETERS_OF_QUERY = Object.entries(FIELDS).map(([name, { description, schema }]) => {
  return { name, in: 'query', description, schema, explode: true } as const;
});
const FORM = {
  type: 'object',
  properties: {
    images: list(bytes),
    ...Object.fromEntries(Object.entries(FIELDS).map(([name, { description }]) => [name, { ...text, description }])),
    options: { ...text, description: 'the fields of a JSON body, as JSON' },
  },
};
const imageBytes: MediaTypes = { 'image/*': { schema: bytes }, 'application/octet-stream': { schema: bytes } };

export const classify: Operation = {
  summary: 'Ranks labels for each image',
  parameters: [
    { name: 'name', in: 'query', description: 'what the row calls the image, if the body is its bytes', schema: text },
    ...PARAMETERS_OF_QUERY,
  ],
  requestBody: {
    required: true,
    content: {
      ...imageBytes,
      'multipart/form-data': { schema: FORM },
      ...json(schemaOf(v.strictObject({ images: v.array(IMAGE), ...PARAMETERS }))),
    },
  },
  responses: answers('a row for each image', json(named('Rows'))),
};

export const page: Operation = {
  summary: 'A page to try labels on',
  responses: answers('the page', { 'text/html': { schema: text } }),
};

export const keepPictures: Operation = {
  summary: 'Keeps the embeddings of pictures for an hour after their last use; classify takes their ids',
  parameters: classify.parameters?.filter(({ name }) => DECODING.includes(name)) ?? [],
  requestBody: {
    required: true,
    content: {
      ...imageBytes,
      'multipart/form-data': { schema: { type: 'object', properties: { images: list(bytes) } } },
      ...json(schemaOf(v.strictObject({ images: v.array(IMAGE) }))),
    },
  },
  responses: answers('an id for each picture', json(named('Kept'))),
};

export const explain: Operation = {
  summary: 'Draws the heat map of one label over one picture',
  parameters: classify.parameters?.filter(({ name }) => [...DECODING, 'labels', 'template'].includes(name)) ?? [],
  requestBody: { required: true, content: { ...imageBytes, 'multipart/form-data': { schema: FORM } } },
  responses: answers('the picture with the map over it', { 'image/png': { schema: bytes } }),
};

export const embeddings: Operation = {
  summary: 'Unit embeddings of texts and images',
  requestBody: { required: true, content: json(schemaOf(embeddingsRequest.REQUEST)) },
  responses: answers('an embedding for each input', json(named('Embeddings'))),
};

export const huggingFace: Operation = {
  summary: "Hugging Face's zero-shot image classification",
  requestBody: { required: true, content: json(schemaOf(huggingFaceRequest.REQUEST)) },
  responses: answers('the labels, best first', json(named('Scores'))),
};

export const models: Operation = {
  summary: 'The model, its labels and the limits of a request',
  responses: answers('one model', json(named('Models'))),
};

export const live: Operation = {
  summary: 'Whether the process runs',
  responses: answers('it runs', json(named('Live'))),
};

export const ready: Operation = {
  summary: 'Whether an inference succeeds',
  responses: answers('an inference has succeeded', json(named('Ready'))),
};

export const metrics: Operation = {
  summary: 'Counters in the text format of Prometheus',
  responses: answers('the counters', { 'text/plain': { schema: text } }),
};

export const openApi: Operation = {
  summary: 'This description',
  responses: answers('an OpenAPI document', json({ type: 'object' })),
};

function answers(description: string, content: MediaTypes): Operation['responses'] {
  return { 200: { description, content }, default: { description: 'an error', content: json(named('Error')) } };
}

function json(schema: JsonSchema): MediaTypes {
  return { 'application/json': { schema } };
}

/** The schema of what a parser takes. */
function schemaOf(parser: v.GenericSchema): JsonSchema {
  const { $schema: _, ...schema } = toJsonSchema(parser, { typeMode: 'input' });
  return schema;
}
