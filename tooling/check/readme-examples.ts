import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The file that the example of the root README is. */
export const rootExample = 'examples/mysql-to-directory.ts'

/** The TypeScript blocks of a package's README below its heading "Example": whole programs, as a user would copy them. */
export function packageExamples(markdown: string): readonly string[] {
  return exampleBlocks(/^## Example[^\n]*\n(.*?)(?=^## |$(?![\s\S]))/ms.exec(markdown)?.[1] ?? '')
}

/** Every TypeScript block of a README. */
export function exampleBlocks(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => block[1] ?? '')
}

/** What differs between the root README and the example files it shows; empty when nothing does. */
export async function readmeProblems(repository: string): Promise<readonly string[]> {
  const shown = exampleBlocks(await readFile(join(repository, 'README.md'), 'utf8'))
  const example = await readFile(join(repository, rootExample), 'utf8')
  if (shown.some((block) => block.trim() === example.trim())) return []
  return [`README.md shows no TypeScript block that is ${rootExample}, line by line: copy the file into it`]
}
