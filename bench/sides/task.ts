/** What a side of a comparison does: rank these labels, which it encodes anew, for each of these photographs. */
export interface Task {
  readonly photos: readonly string[];
  readonly labels: readonly string[];
}

/** The tasks of a side, by their names. */
export type Tasks = Readonly<Record<string, Task>>;
