/** The secret that `init` makes for a repository, which nobody can read the backups without. */
export interface RepositorySecret {
  readonly word: 'password' | 'passphrase'
  /** Lines of YAML, none indented, that have the repository read it from a file. */
  settings(file: string): string
  /** Lines of the plugin's own example that these stand for. */
  readonly replaces: RegExp | undefined
}

/** By the kind of the repository; of others their own example says what there is. */
export const repositorySecrets: Readonly<Record<string, RepositorySecret>> = {
  restic: {
    word: 'password',
    settings: (file) => `password: ${reference(file)}\n`,
    replaces: /^password:.*\n/m,
  },
  archive: {
    word: 'passphrase',
    settings: (file) => `encryption:\n  passphrase: ${reference(file)}\n`,
    replaces: undefined,
  },
}

function reference(file: string): string {
  return JSON.stringify(`\${file:${file}}`)
}
