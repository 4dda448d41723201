import type { Bert, TextPooling, TextTransformer } from '../../checkpoint/architecture.ts';
import { blockStages, type MakeStage, type Stage } from './stage.ts';

const POOLED: Readonly<Record<TextPooling['at'], string>> = {
  'end of text': 'end-of-text token',
  'greatest id': 'token of the greatest id',
  'last token': 'last token',
  'appended token': 'appended class token',
  'class token': 'class token',
  mean: 'mean over tokens',
};

/** The text transformer of CLIP or SigLIP, from token ids to projection. */
export function textTransformerStages(stage: MakeStage, text: TextTransformer, embedding: number): Stage[] {
  const { context, vocabulary, width, pooling } = text;
  return [
    stage('token ids', pooling.at === 'last token' ? `T = ${context}, padded` : `T ≤ ${context}`, ['B', 'T']),
    stage('token embedding', `${vocabulary} tokens`, ['B', 'T', width], /token_embedding/u),
    stage('positions', '', ['B', 'T', width], /^text_model\.embeddings\.(position_embedding|class_embedding)/u),
    ...blockStages(stage, 'text_model', text, 'T'),
    stage('pooling', POOLED[pooling.at], ['B', width]),
    stage('ln_final', '', ['B', width], /final_layer_norm/u),
    stage('projection', '', ['B', embedding], /^(text_projection|text_model\.head\.)/u),
  ];
}

/** A BERT, from token ids to projection. */
export function bertStages(stage: MakeStage, text: Bert, embedding: number): Stage[] {
  const { context, vocabulary, width, pooling, pooler, projections } = text;
  return [
    stage('token ids', `T ≤ ${context}`, ['B', 'T']),
    stage('token embedding', `${vocabulary} tokens`, ['B', 'T', width], /^text_model\.embeddings\.token_embedding\./u),
    stage('positions', 'and the type of the first sentence', ['B', 'T', width], /position_embedding|token_type/u),
    stage('norm', '', ['B', 'T', width], /^text_model\.embeddings\.norm\./u),
    ...blockStages(stage, 'text_model', text, 'T'),
    stage('pooling', POOLED[pooling.at], ['B', width]),
    ...(pooler ? [stage('pooler', 'dense, tanh', ['B', width], /^text_model\.pooler\./u)] : []),
    ...(projections > 0
      ? [stage('projection', projections === 2 ? 'two layers, gelu' : '', ['B', embedding], /^text_projection/u)]
      : []),
  ];
}
