/** The task of a side: encode these labels, and rank them for each of these photographs. */
export interface Task {
  readonly photos: readonly string[];
  readonly labels: readonly string[];
}

/** The tasks of a side, by their names. */
export type Tasks = Readonly<Record<string, Task>>;
