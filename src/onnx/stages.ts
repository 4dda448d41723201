import type { Architecture, TextTower, Tower } from '../checkpoint/architecture.ts';
import type { Checkpoint } from '../checkpoint/safetensors.ts';

/** A stage of a tower: what comes out of it, and what it learned. */
export interface Stage {
  readonly name: string;
  readonly detail: string;
  /** Of the output; B is the batch, T the length of the longest prompt in it. */
  readonly shape: readonly (number | string)[];
  readonly parameters: number;
  /** As stored in the checkpoint. */
  readonly bytes: number;
}

/** Both towers from input to projection, as the graphs compute them. */
export interface Stages {
  readonly image: readonly Stage[];
  readonly text: readonly Stage[];
}

const POOLED_TOKEN: Readonly<Record<TextTower['pooling']['at'], string>> = {
  'end of text': 'end-of-text token',
  'greatest id': 'token of the greatest id',
  'last token': 'last token',
};

/** The stages of both towers. Every tensor belongs to one of them; only the scale and bias of the scores belong to none. */
export function stages(checkpoint: Checkpoint, { family, image, text, embedding }: Architecture): Stages {
  const stage = (name: string, detail: string, shape: Stage['shape'], tensors?: RegExp): Stage => ({
    name,
    detail,
    shape,
    ...(tensors === undefined ? { parameters: 0, bytes: 0 } : weigh(checkpoint, tensors)),
  });
  const blocks = (tower: Tower, tokens: number | string, attention: RegExp, mlp: RegExp): Stage[] => [
    stage(
      `${tower.layers} × attention`,
      `${tower.heads} heads of ${tower.width / tower.heads}`,
      ['B', tokens, tower.width],
      attention,
    ),
    stage(
      `${tower.layers} × mlp`,
      `${tower.width} → ${tower.mlpWidth} → ${tower.width}, ${tower.activation}`,
      ['B', tokens, tower.width],
      mlp,
    ),
  ];
  const clip = family === 'clip';
  const oneToken: Stage['shape'] = ['B', image.width];
  const allTokens: Stage['shape'] = ['B', image.tokens, image.width];
  const normImage = (shape: Stage['shape']) => stage('ln_post', '', shape, /vision_model\.post_layernorm/u);
  return {
    image: [
      stage('pixels', 'normalised RGB', ['B', 3, image.imageSize, image.imageSize]),
      stage(
        'patch embedding',
        `${image.patch} × ${image.patch} pixels, stride ${image.patch}`,
        ['B', image.width, image.grid, image.grid],
        /patch_embedding/u,
      ),
      stage(
        'tokens',
        `${clip ? 'class token + ' : ''}${image.grid}² patches, ${image.positions} positions`,
        allTokens,
        /^vision_model\.embeddings\.(class_embedding|position_embedding(_2d|\.weight))$/u,
      ),
      ...(clip ? [stage('ln_pre', '', allTokens, /pre_layrnorm/u)] : []),
      ...blocks(
        image,
        image.tokens,
        /^vision_model\.encoder\..*\.(self_attn|layer_norm1)\./u,
        /^vision_model\.encoder\..*\.(mlp|layer_norm2)\./u,
      ),
      ...(clip
        ? [
            stage('pooling', image.pooling === 'mean' ? 'mean over tokens' : 'class token', oneToken),
            normImage(oneToken),
            stage('projection', '', ['B', embedding], /^visual_projection/u),
          ]
        : [
            normImage(allTokens),
            stage('pooling', 'attention of a learned query, mlp', oneToken, /^vision_model\.head\./u),
          ]),
    ],
    text: [
      stage('token ids', clip ? `T ≤ ${text.context}` : `T = ${text.context}, padded`, ['B', 'T']),
      stage('token embedding', `${text.vocabulary} tokens`, ['B', 'T', text.width], /token_embedding/u),
      stage('positions', '', ['B', 'T', text.width], /^text_model\.embeddings\.position_embedding\.weight$/u),
      ...blocks(
        text,
        'T',
        /^text_model\.encoder\..*\.(self_attn|layer_norm1)\./u,
        /^text_model\.encoder\..*\.(mlp|layer_norm2)\./u,
      ),
      stage('pooling', POOLED_TOKEN[text.pooling.at], ['B', text.width]),
      stage('ln_final', '', ['B', text.width], /final_layer_norm/u),
      stage('projection', '', ['B', embedding], /^(text_projection|text_model\.head\.)/u),
    ],
  };
}

function weigh(checkpoint: Checkpoint, pattern: RegExp): { parameters: number; bytes: number } {
  const own = [...checkpoint.tensors.values()].filter(({ name }) => pattern.test(name));
  return {
    parameters: own.reduce((sum, { shape }) => sum + shape.reduce((product, size) => product * size, 1), 0),
    bytes: own.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
