import { readFile } from 'node:fs/promises'

/** Where something is mounted, as this process sees it; empty where the system does not tell. A directory that is mounted on the same disk once more is among them. */
export async function readMountPoints(): Promise<readonly string[]> {
  return parseMountPoints(await readFile('/proc/self/mountinfo', 'utf8').catch(() => ''))
}

/** Field 5 of each line; blanks, tabs, line breaks and backslashes are written in octal (proc_pid_mountinfo(5)). */
export function parseMountPoints(mountinfo: string): readonly string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((field) => field !== '')
    .map((field) => field.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8))))
}
