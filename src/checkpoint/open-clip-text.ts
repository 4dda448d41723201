import { ModelError } from '../errors.ts';
import { blockTerms, type Fields, section } from './open-clip-fields.ts';

/** What open_clip takes from the name of a text model alone (its own config.json on the hub). */
const TEXT_MODELS: readonly (readonly [name: RegExp, terms: Fields | undefined])[] = [
  [/distil|albert|deberta|electra|mobilebert|modernbert|camembert-v2/iu, undefined],
  [/roberta-wwm/u, { model_type: 'bert', layer_norm_eps: 1e-12 }], // a BERT, whatever it is called
  [/xlm-roberta|xlm-v/u, { model_type: 'xlm-roberta', layer_norm_eps: 1e-5 }],
  [/roberta/u, { model_type: 'roberta', layer_norm_eps: 1e-5 }],
  [/bert|MiniLM/u, { model_type: 'bert', layer_norm_eps: 1e-12 }],
];

const POOLERS: ReadonlyMap<unknown, string> = new Map([
  ['mean_pooler', 'mean'],
  ['cls_pooler', 'pooler'],
  ['cls_last_hidden_state_pooler', 'class'],
]);

/** open_clip's tokenizers cut prompts here, whatever the text model takes. */
const DEFAULT_CONTEXT = 77;

/** A text encoder of open_clip and its tokenizer, in the terms of Hugging Face's text_config. */
export function textEncoderTerms(text: Fields, quickGelu: boolean, folder: string): Fields {
  const encoder =
    typeof text['hf_model_name'] === 'string' ? bertTerms(text, folder) : textTerms(text, quickGelu, folder);
  return { ...encoder, ...tokenizerTerms(text, folder) };
}

/** open_clip's own text transformer. */
function textTerms(text: Fields, quickGelu: boolean, folder: string): Fields {
  if (text['embed_cls'] === true && (text['pad_id'] ?? 0) !== 0) {
    throw new ModelError(
      `pad_id in text_cfg of open_clip_config.json (${folder}) is ${JSON.stringify(text['pad_id'])}`,
      "supported is 0, with which open_clip's tokenizer pads",
    );
  }
  return {
    ...blockTerms(text, quickGelu),
    num_hidden_layers: text['layers'],
    num_attention_heads: text['heads'],
    vocab_size: text['vocab_size'],
    attention: text['no_causal_mask'] === true ? 'full' : 'causal',
    pooling: text['pool_type'] ?? 'argmax',
    eos_token_id: text['pool_type'] === 'eos' ? text['eos_id'] : 2, // the greatest id is pooled
    pad_token_id: text['pad_id'],
  };
}

/** A text model of Hugging Face. */
function bertTerms(text: Fields, folder: string): Fields {
  const name = String(text['hf_model_name']);
  const [, terms] = TEXT_MODELS.find(([pattern]) => pattern.test(name)) ?? [];
  if (terms === undefined) {
    throw new ModelError(
      `the text encoder of ${folder} is ${name}, which is not supported`,
      'supported are BERT and (XLM-)RoBERTa',
    );
  }
  const heads = /MiniLM-L(6|12)|base|wwm-ext$/u.test(name) ? 12 : name.includes('large') ? 16 : undefined;
  const own = { num_attention_heads: heads, ...section(text, 'hf_model_config', folder) };
  if (own.num_attention_heads === undefined) {
    throw new ModelError(
      `the text encoder of ${folder} is ${name}, whose number of attention heads is not known`,
      'add "hf_model_config": { "num_attention_heads": … } to text_cfg in open_clip_config.json',
    );
  }
  // open_clip's own default; null is the default of the architecture.
  const { hf_pooler_type: pooler = 'mean_pooler' } = text;
  const named = pooler ?? (terms['model_type'] === 'bert' ? 'cls_pooler' : 'mean_pooler');
  return {
    ...terms,
    pooling: POOLERS.get(named) ?? named,
    context_length: text['context_length'] ?? DEFAULT_CONTEXT,
    ...own,
  };
}

/** How open_clip cleans texts, by its own names (open_clip/tokenizer.py, get_clean_fn). */
const CLEANING: ReadonlyMap<unknown, string> = new Map([
  ['whitespace', 'open_clip'],
  ['lower', 'open_clip lower'],
  ['canonicalize', 'canonical'],
]);

/** How open_clip prepares texts: with a tokenizer of its own, padded with zeros, or with one of Hugging Face. */
function tokenizerTerms(text: Fields, folder: string): Fields {
  const isOwn = typeof text['hf_tokenizer_name'] !== 'string' || text['hf_tokenizer_name'] === '';
  const { clean = isOwn ? 'lower' : 'whitespace', strip_sep_token: strips = false } = section(
    text,
    'tokenizer_kwargs',
    folder,
  );
  const cleaning = CLEANING.get(clean);
  if (cleaning === undefined) {
    throw new ModelError(
      `clean in open_clip_config.json (${folder}) is ${JSON.stringify(clean)}`,
      `supported values: ${[...CLEANING.keys()].join(', ')}`,
    );
  }
  return { cleaning, pads_with: isOwn ? 0 : 'pad_token', strips_separator: strips === true };
}
