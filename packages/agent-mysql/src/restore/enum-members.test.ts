import { describe, expect, it } from 'vitest'
import { equalMembers } from './enum-members.ts'

const column = (columnType: string, collation = 'utf8mb4_unicode_ci') => ({
  name: 'e',
  dataType: columnType.slice(0, columnType.indexOf('(')),
  columnType,
  nullable: true,
  collation,
  load: 'plain' as const,
})

describe('members of an ENUM or SET', () => {
  it('that a collation takes for the same are found', () => {
    expect(equalMembers(column("enum('a','b','A')"))).toEqual(['a', 'A'])
    expect(equalMembers(column("set('é''x','E''X')"))).toEqual(["é'x", "E'X"])
    expect(equalMembers(column("enum('a','a ')", 'latin1_bin'))).toEqual(['a', 'a '])
  })

  it('that differ are not', () => {
    expect(equalMembers(column("enum('a','b','')"))).toEqual([])
    expect(equalMembers(column("enum('a','A')", 'utf8mb4_bin'))).toEqual([])
    expect(equalMembers(column("enum('a','A')", 'latin1_general_cs'))).toEqual([])
    expect(equalMembers(column('varchar(9)'))).toEqual([])
  })
})
