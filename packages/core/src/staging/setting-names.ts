/**
 * How hints call the settings of a staging or of scratch space, for a program whose operators write them under other
 * names, such as the keys of a configuration file: `{ budget: 'staging.budget' }`.
 */
export interface StagingSettingNames {
  /** `directory` when left out. */
  readonly directory?: string | undefined
  /** `budgetBytes` when left out. */
  readonly budget?: string | undefined
  /** `minimumFreeBytes` when left out. */
  readonly minimumFree?: string | undefined
}

export type NamedSettings = { readonly [Key in keyof StagingSettingNames]-?: string }

export function namedSettings({ directory, budget, minimumFree }: StagingSettingNames = {}): NamedSettings {
  return { directory: directory ?? 'directory', budget: budget ?? 'budgetBytes', minimumFree: minimumFree ?? 'minimumFreeBytes' }
}

/** Left free on a disk where nothing is said. */
export const minimumFreeByDefault = 512 * 1024 * 1024
