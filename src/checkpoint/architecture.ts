/** The hyper-parameters of all transformers: residual attention blocks of one width. */
export interface Transformer {
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly mlpWidth: number;
  readonly activation: 'quick_gelu' | 'gelu' | 'gelu_pytorch_tanh' | 'relu' | 'silu';
  /** Added to the variance by every layer norm. */
  readonly epsilon: number;
}

/** The hyper-parameters of all image encoders: a square of pixels becomes a square grid of features. */
export interface ImageGrid {
  /** Pixels on a side of the square input. */
  readonly imageSize: number;
  /** Patches, or cells of the last feature map, on a side. */
  readonly grid: number;
  /** Pixels on a side of a patch or cell. */
  readonly patch: number;
}

/** The vision transformer (Dosovitskiy et al. 2021) of CLIP, SigLIP and Hugging Face's ViT. */
export interface VisionTransformer extends Transformer, ImageGrid {
  readonly kind: 'vit';
  /** grid² patches, and the class token if there is one. */
  readonly tokens: number;
  /** A norm before the first block (CLIP's ln_pre). */
  readonly normFirst: boolean;
  /** '1d': one learned row per token; '2d': one learned map over the patches, none for the class token. */
  readonly positions: '1d' | '2d';
  /**
   * 'class': the class token; 'mean': the mean of all tokens; 'patch mean': the mean of all tokens except the class token; 'attention':
   * SigLIP's learned query; 'queries': CoCa's learned queries, of which the first is used.
   */
  readonly pooling: 'class' | 'mean' | 'patch mean' | 'attention' | 'queries';
  /** Whether the last norm comes before the pooling, not after it. */
  readonly normBeforePooling: boolean;
  /** Of the pooling with queries. */
  readonly poolingHeads: number;
  /** A dense layer with tanh after the class token, as in Hugging Face's ViT. */
  readonly pooler: boolean;
}

/** One block of a convolutional network. */
export interface ConvBlock {
  /** The prefix of its tensors. */
  readonly name: string;
  readonly stride: 1 | 2;
  readonly inputs: number;
  readonly outputs: number;
}

/** EfficientNet-Lite (Tan & Le 2019, without squeeze and excitation), and the head that maps its features into the text space. */
export interface EfficientNetLite extends ImageGrid {
  readonly kind: 'efficientnet-lite';
  /** Channels after the first convolution. */
  readonly stem: number;
  readonly blocks: readonly ConvBlock[];
  /** Channels of the last feature map. */
  readonly features: number;
  /** The number of classes of its own classifier. */
  readonly classes: number;
  /** Hidden units of the correction. */
  readonly hidden: number;
}

/** CLIP's ResNet: three convolutions as stem, average pooling in place of strides, attention as pooling (Radford et al. 2021, 2.4). */
export interface ModifiedResNet extends ImageGrid {
  readonly kind: 'resnet';
  /** Channels after the stem. */
  readonly width: number;
  /** The bottlenecks of each of four layers. */
  readonly layers: readonly number[];
  /** Of the attention pooling, whose width is 32 times that of the stem. */
  readonly heads: number;
}

/** ConvNeXt (Liu et al. 2022) as timm has it. */
export interface ConvNext extends ImageGrid {
  readonly kind: 'convnext';
  /** Blocks of each of four stages, and their channels. */
  readonly depths: readonly number[];
  readonly widths: readonly number[];
  readonly epsilon: number;
  /** After the pooled features: a matrix, or two layers with a GELU between them. */
  readonly projection: 'linear' | 'mlp';
}

export type ImageTowerConfig = VisionTransformer | EfficientNetLite | ModifiedResNet | ConvNext;

/** How the tokens of a prompt become one vector. */
export type TextPooling =
  /** CLIP: the end-of-text token. */
  | { readonly at: 'end of text'; readonly id: number }
  /** Early exports name the wrong end of text, 2; Hugging Face and open_clip then take the greatest id. */
  | { readonly at: 'greatest id' }
  /** SigLIP: the last token of a prompt that is padded to the context. */
  | { readonly at: 'last token' }
  /** CoCa: the model's own token after the prompt; `padding` is the id of the padding. */
  | { readonly at: 'appended token'; readonly padding: number }
  /** The first token, as BERT has it. */
  | { readonly at: 'class token' }
  /** The mean over all tokens that are not padding. */
  | { readonly at: 'mean' };

/** The hyper-parameters of all text encoders. */
interface TextInput {
  readonly vocabulary: number;
  /** The most tokens of a prompt, including start and end of text. */
  readonly context: number;
  readonly pooling: TextPooling;
}

/** The text transformer of CLIP, SigLIP, CLIPA and CoCa. */
export interface TextTransformer extends Transformer, TextInput {
  readonly kind: 'transformer';
  /** Whether attention is causal: a token attends to itself and earlier tokens only. */
  readonly causal: boolean;
  /** Padding is not seen: the graph takes an attention mask. */
  readonly masksPadding: boolean;
}

/** BERT (Devlin et al. 2019) and its successors: norms after each sum, and every token attends to every other. */
export interface Bert extends Transformer, TextInput {
  readonly kind: 'bert';
  /** The id of the padding, to which no token attends. */
  readonly padding: number;
  /** The row of the first token's position: RoBERTa's positions begin after its padding id. */
  readonly firstPosition: number;
  /** A dense layer with tanh after the class token. */
  readonly pooler: boolean;
  /** Layers between the pooled vector and the shared space: none, a matrix, or two layers with a GELU between them. */
  readonly projections: 0 | 1 | 2;
}

export type TextTowerConfig = TextTransformer | Bert;

/** Every hyper-parameter of a model. */
export interface Architecture {
  readonly image: ImageTowerConfig;
  readonly text: TextTowerConfig;
  /** D, the width of the space that images and texts share. */
  readonly embedding: number;
  /** How cosines become scores: CLIP's softmax over labels, or SigLIP's sigmoid for each label. */
  readonly loss: 'softmax' | 'sigmoid';
}
