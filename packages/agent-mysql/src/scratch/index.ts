export { openMysqlScratch } from './open-scratch.ts'
