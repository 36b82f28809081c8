import { describe, expect, it } from 'vitest'
import { externalReach } from './external-table.ts'

const table = (rest: string) => `CREATE TABLE \`x\` (\n  \`connection\` int COMMENT 'ENGINE=CONNECT',\n  \`engine\` text\n) ${rest}`

describe('externalReach', () => {
  it.each([
    ["ENGINE=CONNECT DEFAULT CHARSET=utf8mb4 `TABLE_TYPE`='CSV' `FILE_NAME`='/etc/passwd'", 'ENGINE=CONNECT'],
    ["ENGINE='CONNECT' FILE_NAME='/etc/passwd'", 'ENGINE=CONNECT'],
    ['ENGINE=`connect`', 'ENGINE=connect'],
    ['ENGINE CONNECT', 'ENGINE=CONNECT'],
    ['/*!50100 ENGINE=CONNECT */', 'ENGINE=CONNECT'],
    ['ENGINE/* a */=/* b */CONNECT', 'ENGINE=CONNECT'],
    ["ENGINE=FEDERATED CONNECTION='mysql://u:p@h/s/t'", 'ENGINE=FEDERATED'],
    ["CONNECTION='mysql://u:p@h/s/t'", 'CONNECTION'],
    ["ENGINE=InnoDB CONNECTION 'h'", 'CONNECTION'],
    ['ENGINE=SPIDER COMMENT=\'wrapper "mysql", host "h"\'', 'ENGINE=SPIDER'],
    ['ENGINE=InnoDB PARTITION BY HASH (a) (PARTITION `p` COMMENT = \'host "h"\' ENGINE = SPIDER)', 'ENGINE=SPIDER'],
    ['ENGINE=S3', 'ENGINE=S3'],
    ["ENGINE=SPHINX CONNECTION='sphinx://h:9312/i'", 'ENGINE=SPHINX'],
    ['ENGINE=NoSuchEngine', 'ENGINE=NoSuchEngine'],
    ['ENGINE=MRG_MyISAM INSERT_METHOD=LAST UNION=(`mysql`.`user`)', 'UNION over tables of other schemas'],
    ['ENGINE=MRG_MyISAM UNION=(`a`,`mysql`.`user`)', 'UNION over tables of other schemas'],
  ])('sees what reaches out: %s', (rest, found) => {
    expect(externalReach(table(rest), 's')).toBe(found)
  })

  it.each([
    "ENGINE=InnoDB COMMENT='ENGINE=CONNECT CONNECTION=''h'' '",
    'ENGINE=MyISAM',
    'ENGINE=Aria PAGE_CHECKSUM=1',
    'ENGINE=MRG_MyISAM UNION=(`a`,`s`.`b`)',
    'ENGINE=InnoDB PARTITION BY HASH (`engine`) (PARTITION `p0` ENGINE = InnoDB, PARTITION `p1` ENGINE = InnoDB)',
  ])('leaves what is local: %s', (rest) => {
    expect(externalReach(table(rest), 's')).toBeUndefined()
  })
})
