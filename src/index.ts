export { type Calibration, calibrate, type Limit, type Reached } from './calibrate.ts';
export {
  type Classifier,
  type ClassifierOptions,
  type ClassifyOptions,
  createClassifier,
  type ImageResult,
} from './classifier.ts';
export { type Clip, type LoadOptions, loadModel } from './clip.ts';
export type { Embedded } from './embed/encoder.ts';
export {
  CacheError,
  ChecksumError,
  ClipError,
  HubError,
  ImageError,
  type ImageErrorCode,
  LabelsError,
  ModelError,
  OfflineError,
  OutputError,
  ProviderError,
  type RunErrorCode,
  UsageError,
} from './errors.ts';
export {
  type ClassFigures,
  type ConfusionCell,
  type Evaluation,
  evaluate,
  type Failure,
  type Judged,
  type Mistake,
  type ReliabilityBin,
} from './evaluate.ts';
export { type ExplainOptions, type Explanation, explainImage } from './explain.ts';
export { embedQuery, type Findings, type Found, findImages, type Query, type Unread } from './find.ts';
export { type Pulled, type PullOptions, pullModel } from './hub/pull.ts';
export type { ImageInput, ImageInputs } from './image/given.ts';
export type { ImageIdentity } from './image/source.ts';
export { readLearned, writeLearned } from './learn/file.ts';
export { type Example, type LearnOptions, type Lesson, learn } from './learn/learn.ts';
export type { Learned, LearnedLabel, LeaveOneOut } from './learn/learned.ts';
export { lintLabels } from './lint-labels.ts';
export { describeModel } from './model/describe.ts';
export type { DescribeOptions, ModelDescription, Scoring } from './model/description.ts';
export { type KnownModel, knownModels as listModels } from './model/known.ts';
export type { Decision, RankedLabel, Reason } from './ranking.ts';
export type { Matrix, UnitRows } from './tensor.ts';
export type { Finding } from './text/label-lint.ts';
export { type LabelSet, labelSet, labelSetNames as labelSets } from './text/label-sets.ts';
export type { Label } from './text/labels.ts';
