/** What all transformers have: residual attention blocks of one width. */
export interface Transformer {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: 'quick_gelu' | 'gelu' | 'gelu_pytorch_tanh';
  /** Added to the variance by every layer norm. */
  readonly epsilon: number;
}

/** What all image encoders have: a square of pixels becomes a square grid of features. */
export interface ImageGrid {
  /** Pixels on a side of the square input. */
  readonly imageSize: number;
  /** Patches, or cells of the last feature map, on a side. */
  readonly grid: number;
  /** Pixels on a side of a patch or cell. */
  readonly patch: number;
}

/** The vision transformer (Dosovitskiy et al. 2021), as CLIP, SigLIP and Hugging Face's ViT have it. */
export interface VisionTransformer extends Transformer, ImageGrid {
  readonly kind: 'vit';
  /** grid² patches, and the class token if there is one. */
  readonly tokens: number;
  /** '1d': one learned row per token; '2d': one learned map over the patches, none for the class token. */
  readonly positions: '1d' | '2d';
  /** 'class': the class token; 'mean': all tokens; 'attention': SigLIP's learned query. */
  readonly pooling: 'class' | 'mean' | 'attention';
}

/** One block of a convolutional network. */
export interface ConvBlock {
  /** The prefix of its tensors. */
  readonly name: string;
  readonly stride: 1 | 2;
  readonly inputs: number;
  readonly outputs: number;
}

/** EfficientNet-Lite (Tan & Le 2019, without squeeze and excitation), and the head that puts its features into the text space. */
export interface EfficientNetLite extends ImageGrid {
  readonly kind: 'efficientnet-lite';
  /** Channels after the first convolution. */
  readonly stem: number;
  readonly blocks: readonly ConvBlock[];
  /** Channels of the last feature map. */
  readonly features: number;
  /** Names that its own classifier knows. */
  readonly classes: number;
  /** Hidden units of the correction. */
  readonly hidden: number;
}

export type ImageTower = VisionTransformer | EfficientNetLite;

/** Which token of a prompt is read, or what is made of all of them. */
export type TextPooling =
  /** CLIP's end of text. */
  | { readonly at: 'end of text'; readonly id: number }
  /** Early exports name the wrong end of text, 2; Hugging Face and open_clip then take the greatest id. */
  | { readonly at: 'greatest id' }
  /** SigLIP: the last token of a prompt that is padded to the context. */
  | { readonly at: 'last token' }
  /** BERT's first token. */
  | { readonly at: 'class token' }
  /** The mean over all tokens that are not padding. */
  | { readonly at: 'mean' };

/** What all text encoders have. */
interface TextInput {
  readonly vocabulary: number;
  /** The most tokens of a prompt, start and end of text included. */
  readonly context: number;
  readonly pooling: TextPooling;
}

/** The text transformer of CLIP and SigLIP. */
export interface TextTransformer extends Transformer, TextInput {
  readonly kind: 'clip' | 'siglip';
}

/** BERT (Devlin et al. 2019) and its heirs: norms after each sum, and every token sees every other. */
export interface Bert extends Transformer, TextInput {
  readonly kind: 'bert';
  /** The id that fills a prompt up; no token sees it. */
  readonly padding: number;
  /** The row of the first token's position: RoBERTa's positions begin after its padding id. */
  readonly firstPosition: number;
  /** A dense layer with tanh after the class token. */
  readonly pooler: boolean;
  /** Layers between the pooled width and the shared space: none, a matrix, or two with a GELU between them. */
  readonly projections: 0 | 1 | 2;
}

export type TextTower = TextTransformer | Bert;

/** Every hyper-parameter of a model. */
export interface Architecture {
  readonly image: ImageTower;
  readonly text: TextTower;
  /** D, the width of the space that images and texts share. */
  readonly embedding: number;
  /** How cosines become scores: CLIP's softmax over labels, or SigLIP's sigmoid for each label. */
  readonly loss: 'softmax' | 'sigmoid';
}
