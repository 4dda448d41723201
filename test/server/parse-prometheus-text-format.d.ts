/** The part of the package's interface that the tests use. */
declare module 'parse-prometheus-text-format' {
  export default function parse(text: string): {
    readonly name: string;
    readonly type: string;
    readonly metrics: readonly { readonly value?: string; readonly labels?: Record<string, string> }[];
  }[];
}
