import { encodeSegment, type Manifest } from '@backup-planet/core'

export const manifestName = 'manifest.json'
export const guideName = 'RESTORE.md'

/** Folders above the files of an item in its snapshot: `/<application>/<server>/<item>`. */
export function itemPath({ application, source }: Pick<Manifest, 'application' | 'source'>, item: string): readonly string[] {
  return [...sourcePath({ application, source }), encodeSegment(item)]
}

export function sourcePath({ application, source }: Pick<Manifest, 'application' | 'source'>): readonly string[] {
  return [encodeSegment(application), encodeSegment(source.name)]
}

/** What a snapshot is found by, in restic too: `restic snapshots --tag job=shop`. Restic separates tags by commas. */
export function snapshotTags({
  id,
  job,
  kind,
  application,
  status,
}: Pick<Manifest, 'id' | 'job' | 'kind' | 'application' | 'status'>): string[] {
  return [`id=${id}`, `job=${job}`, `kind=${kind}`, `application=${application}`, ...(status === 'partial' ? ['status=partial'] : [])].map(
    encodeTag,
  )
}

export function tagValue(tags: readonly string[] | undefined, name: string): string | undefined {
  const found = tags?.find((tag) => tag.startsWith(`${name}=`))
  if (found === undefined) return undefined
  return found.slice(name.length + 1).replaceAll(/%(25|2C)/g, (code) => (code === '%25' ? '%' : ','))
}

/** As it is stored: restic takes what is between two commas for a tag. */
export function encodeTag(tag: string): string {
  return tag.replaceAll('%', '%25').replaceAll(',', '%2C')
}
