import * as z from 'zod'

/** The file `config`; restic, doc/design.rst, "Repository Format". */
export interface RepositoryConfig {
  readonly version: 1 | 2
  /** 64 hex digits. */
  readonly id: string
  /** Secret: where files are cut follows from it. Hex digits. */
  readonly chunkerPolynomial: string
}

const schema = z
  .object({ version: z.int(), id: z.string(), chunker_polynomial: z.string().regex(/^[0-9a-f]+$/) })
  .transform(({ version, id, chunker_polynomial }) => ({ version, id, chunkerPolynomial: chunker_polynomial }))

/** Throws a `ZodError`. The version may be one that is not known. */
export function parseConfig(json: unknown): Omit<RepositoryConfig, 'version'> & { readonly version: number } {
  return schema.parse(json)
}

export function configJson({ version, id, chunkerPolynomial }: RepositoryConfig): string {
  return JSON.stringify({ version, id, chunker_polynomial: chunkerPolynomial })
}
